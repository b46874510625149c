"""The environment variables that a configuration names: whether its steps have a value for them, never which one."""

from __future__ import annotations

import os

from commands.project import Configured
from evergreen.core.errors import EvergreenError
from orchestration.secrets import unset_words


def variable_state(name: str, project: Configured) -> tuple[bool, str]:
    """Whether a variable can hold something in the steps, and what is known of that.

    Raises:
        EvergreenError: ZenML does not tell which names a secret that the configuration lists holds.
    """
    if os.environ.get(name):
        return True, "has a value here; whether it is right is not asked"
    listed = listed_secrets(project)
    empty = unset_words(name)
    if not listed:
        return False, empty
    held = sorted(secret for secret in listed if name in _keys_of(secret))
    if held:
        return True, f"{empty} here; ZenML's secret '{held[0]}' has a value for the steps"
    return False, f"{empty} here, and no secret of `secrets:` ({', '.join(listed)}) holds it"


def listed_secrets(project: Configured) -> list[str]:
    """The names of ZenML's secrets that the configuration lists, for all steps or for some."""
    document = project.configuration.document
    listed = list(document.get("secrets") or ())
    listed += [name for step in (document.get("steps") or {}).values() for name in (step or {}).get("secrets") or ()]
    return [str(name) for name in listed]


def _keys_of(secret: str) -> list[str]:
    """The names in a secret of ZenML that have a value, seen or not; none where there is no such secret.

    Raises:
        EvergreenError: whoever asks may not know, ZenML keeps no secrets, or does not answer.
    """
    from zenml.client import Client

    try:
        values = Client().get_secret(secret).values
    except KeyError:
        return []
    except Exception as error:  # one of many kinds, by what ZenML is connected to
        raise EvergreenError(
            f"ZenML does not tell what its secret '{secret}' holds ({type(error).__name__}); see whether it answers, "
            "keeps secrets, and lets you read this one"
        ) from error
    return [name for name, value in values.items() if value is None or value.get_secret_value()]  # None: not to be seen

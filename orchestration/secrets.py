"""Secret values kept out of configurations: ZenML stores what is written or filled in there with every run.

token_env: HF_TOKEN          # the variable's name; ZenML's `secrets:` puts its value into the steps' environment
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from orchestration.document import PLACEHOLDER, Document, walk
from orchestration.mistakes import Mistake, YamlPath

VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(hf_|gh[opsur]_|github_pat_|glpat-|sk-|[rs]k_live_|ya29\.|GOCSPX-|AIza|AKIA|ASIA|xox[abprs]-|npm_|"
    r"dckr_pat_|pypi-|ZENKEY_)[A-Za-z0-9_\-]{12,}"
    r"|(?<![A-Za-z0-9])eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}"  # a JSON web token
    r"|\bBearer [A-Za-z0-9._~+/\-]{12,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|\"private_key\""
    r"|://[^\s:/@]*:[^\s@]+@"  # a URL with a password
)
SECRET_NAME = re.compile(
    r"(PASSWORD|PASSWD)$|(^|_)(SECRET|TOKEN|API_?KEY|ACCESS_KEY|SECRET_KEY|PRIVATE_KEY|CREDENTIALS)$", re.IGNORECASE
)
GIVEN_NAME = re.compile(
    r"(^|_)(PASS|PASSWORD|PASSWD|PASSPHRASE|PWD|PGPASSWORD|SECRETS?|TOKEN|[A-Z]*KEY|CREDENTIALS?|AUTH|COOKIE)"
    r"(_?(V?\d+|OLD|NEW|VALUE|PROD|PRODUCTION|STAGING|TEST|DEV))*$",
    re.IGNORECASE,
)
"""The names of variables that a person gives a value here: stricter than for those that only fill one in."""
RANDOM = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z0-9+=]{32,}")
REFERENCE = re.compile(r"projects/[^/\s]+/\S+|gs://\S+|/\S*")
"""What a variable that speaks of a secret may hold: where it lies."""
INSTEAD = "list a ZenML secret under secrets:"
IN_A_SERVER = (
    "keep it in Secret Manager, grant the server's account roles/secretmanager.secretAccessor on it, and give its name "
    "(projects/…/secrets/…), which the server reads it by"
)


def refuse_secrets(document: Document) -> None:
    """Returns where the document holds no secret. They are told before and without any other mistake, so that the words
    of none can hold a secret's value.

    Raises:
        ConfigurationError: with each of them.
    """
    found = list(check_secrets(document))
    if found:
        last = found.pop()
        last = replace(last, message=f"{last.message}; other mistakes are told once that is mended")
        raise document.error([*found, last])


def check_secrets(document: Document) -> Iterator[Mistake]:
    """Mistakes wherever a secret value is, or seems to be, written or filled in; the messages hold no value."""
    filled = dict(walk(document.values))
    for path, written in walk(document.written):
        if path and not isinstance(written, dict | list) and (message := _wrong(path, written, str(filled[path]))):
            yield Mistake(path, message)


def unset_words(variable: str) -> str:
    """What follows the name of an environment variable that has no value here."""
    return "is set, but empty" if variable in os.environ else "is not set"


def _wrong(path: YamlPath, written: Any, filled: str) -> str | None:
    """What is wrong with one value, as written and as filled in from the environment."""
    name, text = str(path[-1]), str(written)
    of_server = "env" in path[:-1]
    instead = IN_A_SERVER if of_server else INSTEAD
    variables = PLACEHOLDER.findall(text)
    secret = next((variable for variable in variables if SECRET_NAME.search(variable)), None)
    if secret and name.endswith("_env"):
        return f"should be the name of an environment variable: {secret}, without ${{}}"
    if secret:
        return f"${{{secret}}} would store a secret from the environment with every run; {instead}"
    if any(TOKEN.search(value) for value in (filled, *(os.environ.get(variable, "") for variable in variables))):
        kept = instead if of_server else f"keep it as a ZenML secret and {instead}"
        return f"looks like a secret (value not shown); {kept}"
    if name.endswith("_env") and isinstance(written, str) and not VARIABLE.fullmatch(written):
        example = "NEWS_WEBHOOK" if "webhook" in name else "HF_TOKEN"
        return (
            f"should be the name of an environment variable (value not shown); export {example}=…, and write that name"
        )
    given = (of_server or "environment" in path[:-1]) and written is not None and not REFERENCE.fullmatch(filled)
    if given and (GIVEN_NAME.search(name) or RANDOM.fullmatch(filled)):
        source = "an environment variable" if variables else "this file"
        return f"would store a secret from {source} with every run (value not shown); {instead}"
    return None

"""The environment that a compose file gives one of its services, filled in as `docker compose` does it.

    environment(Path("infra/compose.yaml"), "zenml", {"ZENML_JWT_SECRET_KEY": "…"})

`${NAME}`, `${NAME:-default}` and `${NAME:?message}` are known, and `$$` for a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from cloudbox.box import BoxError

_PLACEHOLDER = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?:(?P<sign>:[-?])(?P<rest>[^}]*))?\})")


def environment(file: Path, service: str, values: Mapping[str, str]) -> dict[str, str]:
    """The variables of the service's containers, with `values` in place of a person's `.env` file.

    Raises:
        BoxError: there is no such file or service, or a value that the file demands is missing.
    """
    try:
        declared = yaml.safe_load(file.read_text(encoding="utf-8"))["services"][service]["environment"]
    except (FileNotFoundError, KeyError) as error:
        raise BoxError(f"{file} describes no environment of a service '{service}'") from error

    def filled(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        value = values.get(match["name"], "")
        if value or match["sign"] is None:
            return value
        if match["sign"] == ":-":
            return match["rest"]
        raise BoxError(f"{file}, service {service}: {match['name']} is missing ({match['rest']})")

    return {name: _PLACEHOLDER.sub(filled, str(value)) for name, value in declared.items()}

"""The name of the model that a delivery is about, read before anything is installed: by Python's own library alone."""

from __future__ import annotations

import re
from pathlib import Path

from evergreen.core.errors import InputError

NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
BLOCK = re.compile(r"^parameters:[ \t]*(?:#.*)?\n((?:[ \t].*\n|[ \t]*#.*\n|\n)*)", re.MULTILINE)
LINE = re.compile(r"""^[ \t]+model_name:[ \t]*(["']?)(?P<name>[^\s"'#]+)\1[ \t]*(?:#.*)?$""", re.MULTILINE)


def model_name(config: Path, given: str | None) -> str:
    """The `given` name, or else `parameters.model_name` of the configuration.

    Raises:
        InputError: there is no such file, or neither is a name of a model.
    """
    if not config.is_file():
        beside = ", ".join(sorted(path.name for path in config.parent.glob("*.yaml"))) or "none"
        raise InputError(f"no configuration {config} (there are: {beside})")
    name = given or _written(config)
    if not NAME.fullmatch(name):
        raise InputError(f"model {name!r}: lower-case letters, digits and hyphens, at most 63; give another name")
    return name


def _written(config: Path) -> str:
    block = BLOCK.search(config.read_text(encoding="utf-8") + "\n")
    names = [line["name"] for line in LINE.finditer(block[1])] if block else []
    if len(names) != 1:
        raise InputError(
            f"{config} has no one line 'model_name: …' below 'parameters:'; write it so, or give the name of the model"
        )
    return names[0]

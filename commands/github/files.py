"""The files through which a step speaks to the steps and jobs after it, where GitHub runs it.

GITHUB_OUTPUT holds `provider=projects/…`, GITHUB_ENV `EVERGREEN_BUCKET=gs://…`, GITHUB_STEP_SUMMARY Markdown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from evergreen.core.errors import InputError


def set_outputs(values: Mapping[str, str]) -> None:
    """Makes the values outputs of this step; nothing happens elsewhere than on GitHub."""
    _append("GITHUB_OUTPUT", _lines(values))


def export(values: Mapping[str, str]) -> None:
    """Makes the values environment variables of the steps after this one; nothing happens elsewhere than on GitHub."""
    _append("GITHUB_ENV", _lines(values))


def summarize(markdown: str) -> None:
    """Adds to the page of the workflow's run; nothing happens elsewhere than on GitHub."""
    _append("GITHUB_STEP_SUMMARY", f"{markdown}\n")


def _lines(values: Mapping[str, str]) -> str:
    """One `name=value` a line.

    Raises:
        InputError: a value has a line break, with which it could set other names too.
    """
    for name, value in values.items():
        if not value.isprintable():
            raise InputError(f"the value of {name} holds a line break or a control character: {value!r}")
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _append(variable: str, text: str) -> None:
    file = os.environ.get(variable)
    if file:
        with Path(file).open("a", encoding="utf-8") as opened:
            opened.write(text)

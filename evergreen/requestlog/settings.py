"""What is logged of requests, as a configuration says it, and as a server process is told.

host:
  log: {sample: 0.1, inputs: "news_rules.redaction:without_names"}

EVERGREEN_LOG=/home/me/news/requests EVERGREEN_LOG_MODEL=news EVERGREEN_LOG_SAMPLE=0.1 python -m evergreen.serving
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Protocol, Self, runtime_checkable

from pydantic import AfterValidator, Field, ValidationError

from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.core.names import written_as

STDOUT = "stdout"
TO = "EVERGREEN_LOG"
"""Where the process logs: a folder of this machine, or `stdout` for Cloud Logging; unset, nowhere."""
MODEL, SAMPLE, INPUTS = "EVERGREEN_LOG_MODEL", "EVERGREEN_LOG_SAMPLE", "EVERGREEN_LOG_INPUTS"
Hook = Annotated[
    str, AfterValidator(written_as(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", "module:function, such as rules:mask"))
]


@runtime_checkable
class NotesRequests(Protocol):
    """The settings of a host that can note requests; it does where `log` is set."""

    @property
    def log(self) -> LogSettings | None:
        """How; None: it does not."""


class LogSettings(Frozen):
    """What a server notes of its requests.

    `sample` is the share of requests that is noted, drawn by chance. Inputs are in no log, unless `inputs` names a
    function that the server can import: it is given each instance and returns what of it may be kept, None for nothing.
    """

    sample: float = Field(default=1.0, gt=0, le=1)
    inputs: Hook | None = None

    def variables(self, model: str, where: str) -> dict[str, str]:
        """What tells a server of this model to log so; `where` is a folder or STDOUT."""
        inputs = {INPUTS: self.inputs} if self.inputs else {}
        return {TO: where, MODEL: model, SAMPLE: str(self.sample), **inputs}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The settings that `variables` gave.

        Raises:
            InputError: a variable has a value that cannot be used.
        """
        given = {"sample": environment.get(SAMPLE) or 1.0, "inputs": environment.get(INPUTS) or None}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name = {"sample": SAMPLE, "inputs": INPUTS}[str(first["loc"][0])]
            reason = first["msg"].removeprefix("Value error, ")
            raise InputError(f"{name}: {reason} (got {given[str(first['loc'][0])]!r})") from error

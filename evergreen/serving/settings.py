"""The server's settings, read from the environment that a Vertex AI custom container gets.

    AIP_STORAGE_URI=/models/3f9c AIP_HTTP_PORT=8080 python -m evergreen.serving

Contract: https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, ValidationError, field_validator

from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.core.limits import MAX_ANSWER_BYTES, MAX_BODY_BYTES, MAX_INSTANCES, MAX_WAITING, MAX_WAITING_INSTANCES
from evergreen.runtime.http import HostName
from evergreen.runtime.processes import usable_cores

MIB = 1024 * 1024
ROUTE_PATTERN = r"^/[^\s{}?#]*$"
VARIABLES = {
    "storage_uri": "AIP_STORAGE_URI",
    "port": "AIP_HTTP_PORT",
    "health_route": "AIP_HEALTH_ROUTE",
    "predict_route": "AIP_PREDICT_ROUTE",
    "mode": "AIP_MODE",
    "host": "EVERGREEN_HOST",
    "allowed_hosts": "EVERGREEN_ALLOWED_HOSTS",
    "max_instances": "EVERGREEN_MAX_INSTANCES",
    "max_body_bytes": "EVERGREEN_MAX_BODY_BYTES",
    "max_answer_bytes": "EVERGREEN_MAX_ANSWER_BYTES",
    "max_waiting": "EVERGREEN_MAX_WAITING",
    "max_waiting_instances": "EVERGREEN_MAX_WAITING_INSTANCES",
    "engine": "EVERGREEN_ENGINE",
    "full_status": "EVERGREEN_FULL_STATUS",
    "threads": "OMP_NUM_THREADS",
    "drain_s": "EVERGREEN_DRAIN_S",
    "exit_with_stdin": "EVERGREEN_EXIT_WITH_STDIN",
}


class ServerSettings(Frozen):
    """What one server process serves, where and within which limits.

    `max_waiting` requests with `max_waiting_instances` together may wait or run at once; further ones get
    `full_status`, but for one that comes while none does: after 503 Vertex AI asks again, 429 is what clients know.
    `allowed_hosts` are further names under which a server on loopback may be asked. `engine` is what is to answer:
    `torch`, `onnx`, or one of the model's engines by name; unset, the one that the evaluation chose. `threads` is how
    many cores predictions use together; unset, all that this process may. `drain_s` is how long requests in flight may
    take after SIGTERM. `exit_with_stdin` ties the server's life to whoever holds the other end of its stdin.
    """

    storage_uri: str = Field(min_length=1)
    host: str = "127.0.0.1"
    allowed_hosts: tuple[HostName, ...] = ()
    port: int = Field(default=8080, ge=0, le=65535)
    health_route: str = Field(default="/health", pattern=ROUTE_PATTERN)
    predict_route: str = Field(default="/predict", pattern=ROUTE_PATTERN)
    mode: str = "PREDICTION"
    max_instances: int = Field(default=MAX_INSTANCES, ge=1)
    max_body_bytes: int = Field(default=MAX_BODY_BYTES, ge=1)
    max_answer_bytes: int = Field(default=MAX_ANSWER_BYTES, ge=1)
    max_waiting: int = Field(default=MAX_WAITING, ge=1)
    max_waiting_instances: int = Field(default=MAX_WAITING_INSTANCES, ge=1)
    engine: str | None = None
    full_status: Literal[429, 503] = 503
    threads: int = Field(default_factory=usable_cores, ge=1)
    drain_s: int = Field(default=30, ge=0)
    exit_with_stdin: bool = False

    @field_validator("full_status", mode="before")
    @classmethod
    def _as_number(cls, given: object) -> object:
        return int(given) if isinstance(given, str) and given.isdecimal() else given

    @field_validator("threads", mode="before")
    @classmethod
    def _outermost(cls, given: object) -> object:
        """Of OMP_NUM_THREADS, which lists a number for each level of nesting."""
        return given.partition(",")[0] if isinstance(given, str) else given

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_names(cls, given: object) -> object:
        return tuple(given.replace(",", " ").split()) if isinstance(given, str) else given

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The settings that the variables give.

        Raises:
            InputError: a variable is missing or has a value that cannot be used; all of them are named.
        """
        given = {field: environment[name] for field, name in VARIABLES.items() if environment.get(name)}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            mistakes = [_mistake(str(problem["loc"][0]), problem["msg"], given) for problem in error.errors()]
            raise InputError("the server's environment cannot be used: " + "; ".join(mistakes)) from error

    @property
    def model_dir(self) -> Path:
        """The trained-model directory of this machine that AIP_STORAGE_URI names; model.py reads `gs://`.

        Raises:
            InputError: it is not a folder of this machine.
        """
        parts = urlsplit(self.storage_uri)
        if parts.scheme not in ("", "file"):
            raise InputError(
                f"AIP_STORAGE_URI {self.storage_uri!r} is not a local folder "
                "(allowed: /path, file:///path or gs://bucket/folder); copy the trained model to one of these first"
            )
        path = Path(unquote(parts.path)) if parts.scheme else Path(self.storage_uri)
        if not path.is_dir():
            raise InputError(
                f"AIP_STORAGE_URI {self.storage_uri!r} is no folder; point it at a trained-model directory"
            )
        return path


def _mistake(field: str, message: str, given: Mapping[str, str]) -> str:
    return f"{VARIABLES[field]}: {message.removeprefix('Value error, ')} (got {given.get(field, 'nothing')!r})"

"""Names, labels and aliases by Google's rules: lower case, at most 63 characters."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping

from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.errors import InputError
from evergreen.requestlog.settings import STDOUT

MODEL = "evergreen_model"
ENVIRONMENT = "evergreen_environment"
ROLE = "evergreen_role"
LIVE, PROBE = "live", "probe"
VERSION = "evergreen_version"
EVALUATED = "evergreen_evaluated"
RUN = "evergreen_run"
ANSWER_BYTES = "EVERGREEN_MAX_ANSWER_BYTES"
LONGEST = 63
_ALIAS_PREFIX = "v-"
_CONTAINER_PREFIX = "c-"
_VERSION = re.compile(r"[a-z0-9]([a-z0-9-]{0,59}[a-z0-9])?")


def label(text: str) -> str:
    """The text as a label's value."""
    return re.sub(r"[^a-z0-9_-]", "_", text.lower())[:LONGEST]


def identity(host: VertexHostSettings, model: str) -> dict[str, str]:
    """The labels by which a model's resources are found."""
    return {MODEL: label(model), ENVIRONMENT: host.environment}


def labels(host: VertexHostSettings, model: str, **further: str) -> dict[str, str]:
    """All labels of a resource: the configured ones, and ours, which win."""
    return {**host.labels, **identity(host, model), **{key: label(value) for key, value in further.items()}}


def label_filter(wanted: Mapping[str, str]) -> str:
    """The server-side filter for resources with all these labels."""
    return " AND ".join(f'labels.{key}="{value}"' for key, value in wanted.items())


def version_alias(version: str) -> str:
    """The alias that finds a version in the Model Registry; an alias begins with a letter.

    Raises:
        InputError: the version is no content-hash name.
    """
    if not _VERSION.fullmatch(version):
        raise InputError(f"version {version!r} cannot be an alias in Vertex AI; use lower-case letters and digits")
    return f"{_ALIAS_PREFIX}{version}"


def container_alias(host: VertexHostSettings, model: str, version: str) -> str:
    """The alias that finds a version with the configured images, command and variables: others have another alias.

    They are compared as written, an image by its tag too: it is handed on by digest.

    Raises:
        InputError: the version is no content-hash name.
    """
    images = host.image if host.onnx_image is None else [host.image, host.onnx_image]
    container = json.dumps([images, host.command, environment(host, model)], sort_keys=True)
    digest = hashlib.sha256(container.encode()).hexdigest()[:12]
    return f"{_CONTAINER_PREFIX}{version_alias(version).removeprefix(_ALIAS_PREFIX)}-{digest}"


def version_of(aliases: list[str]) -> str | None:
    """The version that one of the aliases names; None for what was uploaded by others."""
    names = [alias.removeprefix(_ALIAS_PREFIX) for alias in aliases if alias.startswith(_ALIAS_PREFIX)]
    return names[0] if names else None


def environment(host: VertexHostSettings, model: str) -> dict[str, str]:
    """The container's variables: the configured ones, what is logged, how large an answer the endpoint lets through."""
    logged = host.log.variables(model, STDOUT) if host.log else {}
    return {ANSWER_BYTES: str(host.max_request_bytes), **logged, **host.env}


def new_id() -> str:
    """A fresh id for an endpoint or a deployed model, by which its maker knows it again: nine digits fit both."""
    return str(10**8 + secrets.randbelow(9 * 10**8))


def live_id(host: VertexHostSettings, model: str) -> str:
    """The id of a model's live endpoint, so that two runs at once create one and know its name without a list."""
    owner = json.dumps([host.project, host.region, identity(host, model)], sort_keys=True)
    return f"evergreen-{hashlib.sha256(owner.encode()).hexdigest()[:20]}"


def model_id(host: VertexHostSettings, model: str) -> str:
    """The id under which a model's parent is created, so that two runs at once create one."""
    name = f"evergreen_{host.environment}__{model}".replace("-", "_")
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: LONGEST - 13]}_{digest}"

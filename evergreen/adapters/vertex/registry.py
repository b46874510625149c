"""The versions of one model in Vertex AI's Model Registry, below one parent model found by its labels.

Host and mirror share it: a version that either uploaded is found by the other. The alias `v-<content hash>` leads to
it, `c-<content hash>-<digest>` to it with one container. What is read is read by name, which Vertex AI answers as it is
now; lists, which may lag, only discover.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.adapters.gcs import StorageError, copy_to
from evergreen.adapters.vertex.clients import Clients, MissingError, finish, wait_until_idle
from evergreen.adapters.vertex.names import container_alias, identity, label_filter, model_id, version_alias
from evergreen.adapters.vertex.preflight import check_owner
from evergreen.adapters.vertex.specification import image_for, version_message
from evergreen.core.artifacts import TrainedModel
from evergreen.core.errors import EndpointError, InputError

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import Model

UPLOAD_TIMEOUT_S = 1800.0


class ModelRegistry:
    """The registry's view of one model."""

    def __init__(self, clients: Clients, model: str) -> None:
        self._clients = clients
        self._host = clients.host
        self._model = model
        self._known: str | None = None

    def versions(self) -> list[Model]:
        """All versions of the model, oldest first; empty when it is not known."""
        parent = self._parent()
        if parent is None:
            return []
        what, method = f"listing the versions of {self._model}", self._clients.models.list_model_versions
        versions = self._clients.call_list(what, method, {"name": parent})
        return sorted(versions, key=lambda version: int(version.version_id))

    def find(self, version: str) -> Model | None:
        """The version with the configured container, whoever uploaded it; None when it is not held so."""
        return self.named(container_alias(self._host, self._model, version))

    def named(self, alias: str) -> Model | None:
        """The version that has the alias; None when none has."""
        parent = self._parent()
        return None if parent is None else self._get(f"{parent}@{alias}")

    def numbered(self, number: str) -> Model | None:
        """The version of this `ID@NUMBER`; None when it was deleted."""
        return self._get(f"{self._clients.location}/models/{number}")

    def upload(self, version: str, model_dir: Path) -> Model:
        """The version with the configured container, uploaded now unless it was before.

        Files that a killed run copied are not copied again. `v-<version>` leads to what was uploaded last.

        Raises:
            InputError: `model_dir` is no trained model, or another version's; the bucket is another project's.
            EndpointError: Vertex AI or the bucket refuses.
        """
        held = self.find(version) or self._upload(version, model_dir)
        if version_alias(version) not in held.version_aliases:
            held = self.move_aliases(resource_of(held), [version_alias(version)])
        return held

    def move_aliases(self, resource: str, aliases: Sequence[str]) -> Model:
        """The version with these aliases, taken from any other; `-alias` removes one."""
        request = {"name": resource, "version_aliases": list(aliases)}
        return self._clients.call("moving aliases", self._clients.models.merge_version_aliases, request)

    def _upload(self, version: str, model_dir: Path) -> Model:
        trained = TrainedModel.open(model_dir)
        if trained.version != version:
            raise InputError(f"{model_dir} holds version {trained.version}, not {version}; upload it as what it is")
        uri = f"{self._host.staging.rstrip('/')}/{self._model}/{version}"
        check_owner(self._clients, uri)
        try:
            copy_to(model_dir, uri)
        except StorageError as error:
            raise EndpointError(f"version {version} of {self._model} was not uploaded: {error}") from error
        return self._create(version, uri, image_for(self._host, model_dir, version))

    def _create(self, version: str, uri: str, image: str) -> Model:
        """The version, made of files in the bucket. Its first one makes the parent, under an id that only one can."""
        parent, own_id = self._parent(), model_id(self._host, self._model)
        request = {
            "parent": self._clients.location,
            "parent_model": parent or "",
            "model_id": "" if parent else own_id,
            "model": version_message(self._host, self._model, version, uri, image),
            "service_account": self._host.service_account or "",
        }
        what = f"uploading version {version} of {self._model}"
        name = parent or f"{self._clients.location}/models/{own_id}"

        def made() -> bool:
            wait_until_idle(self._clients, name, UPLOAD_TIMEOUT_S)
            return self.find(version) is not None

        try:
            operation = self._clients.call_once(what, self._clients.models.upload_model, request, made)
        except EndpointError:
            if parent is not None or self._parent() is None:
                raise
            return self._create(version, uri, image)  # another run's first version made the parent meanwhile
        if operation is None:
            return self._read(f"{name}@{container_alias(self._host, self._model, version)}")
        answer = finish(what, operation, UPLOAD_TIMEOUT_S)
        return self._read(f"{answer.model}@{answer.model_version_id}")

    def _get(self, name: str) -> Model | None:
        try:
            return self._read(name)
        except MissingError:
            return None

    def _read(self, name: str) -> Model:
        """The model or version of this resource name. Raises MissingError when there is none."""
        return self._clients.call(f"reading model {name}", self._clients.models.get_model, {"name": name})

    def _parent(self) -> str | None:
        """The parent model's resource name; None when there is none."""
        own = f"{self._clients.location}/models/{model_id(self._host, self._model)}"
        for name in filter(None, (self._known, own)):
            if self._get(name) is not None:
                self._known = name
                return name
        self._known = self._listed()
        return self._known

    def _listed(self) -> str | None:
        """One that carries our labels under another id; the oldest, should there be several."""
        request = {"parent": self._clients.location, "filter": label_filter(identity(self._host, self._model))}
        what = f"looking for model {self._model} in the Model Registry"
        models = self._clients.call_list(what, self._clients.models.list_models, request)
        oldest = min(models, key=lambda model: model.create_time, default=None)
        return None if oldest is None else oldest.name.partition("@")[0]


def resource_of(version: Model) -> str:
    """The resource name of exactly this version."""
    return f"{version.name.partition('@')[0]}@{version.version_id}"

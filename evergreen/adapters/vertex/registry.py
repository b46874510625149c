"""The versions of one model in Vertex AI's Model Registry, below one parent model found by its labels.

Host and mirror share it: a version that either uploaded is found by the other, by the alias `v-<content hash>`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evergreen.adapters.gcs import StorageError, copy_to
from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.failures import MissingError
from evergreen.adapters.vertex.names import identity, label_filter, model_id, version_alias
from evergreen.adapters.vertex.operations import finish, settle
from evergreen.adapters.vertex.ownership import check_owner
from evergreen.adapters.vertex.specification import version_message
from evergreen.core.artifacts import TrainedModel
from evergreen.core.errors import EndpointError, InputError

UPLOAD_TIMEOUT_S = 1800.0


class ModelRegistry:
    """The registry's view of one model."""

    def __init__(self, clients: Clients, model: str) -> None:
        self._clients = clients
        self._host = clients.host
        self._model = model

    def versions(self) -> list[Any]:
        """All versions of the model, oldest first; empty when it is not known."""
        parent = self._parent()
        if parent is None:
            return []
        what, method = f"listing the versions of {self._model}", self._clients.models.list_model_versions
        found = self._clients.call_list(what, method, {"name": parent})
        return sorted(found, key=lambda one: int(one.version_id))

    def find(self, version: str) -> Any | None:
        """The version, whoever uploaded it; None when it is not held."""
        parent = self._parent()
        if parent is None:
            return None
        name = f"{parent}@{version_alias(version)}"
        try:
            return self._clients.call(f"looking for version {version}", self._clients.models.get_model, {"name": name})
        except MissingError:
            return None

    def upload(self, version: str, model_dir: Path) -> Any:
        """The version, uploaded now unless it was before; files that a killed run copied are not copied again.

        Raises:
            InputError: `model_dir` is no trained model, or another version's; the bucket is another project's.
            EndpointError: Vertex AI or the bucket refuses.
        """
        held = self.find(version)
        if held is not None:
            return held
        trained = TrainedModel.open(model_dir)
        if trained.version != version:
            raise InputError(f"{model_dir} holds version {trained.version}, not {version}; upload it as what it is")
        uri = f"{self._host.staging.rstrip('/')}/{self._model}/{version}"
        check_owner(self._clients, uri)
        try:
            copy_to(model_dir, uri)
        except StorageError as error:
            raise EndpointError(f"version {version} of {self._model} was not uploaded: {error}") from error
        return self._create(version, uri)

    def move_alias(self, resource: str, alias: str) -> None:
        """Gives the alias to a version, taking it from any other; `-alias` removes it."""
        request = {"name": resource, "version_aliases": [alias]}
        self._clients.call(f"moving alias {alias}", self._clients.models.merge_version_aliases, request)

    def _create(self, version: str, uri: str) -> Any:
        """The version, made of files in the bucket. Its first one makes the parent, under an id that only one can."""
        parent, own_id = self._parent(), model_id(self._host, self._model)
        request = {
            "parent": self._clients.location,
            "parent_model": parent or "",
            "model_id": "" if parent else own_id,
            "model": version_message(self._host, self._model, version, uri),
            "service_account": self._host.service_account or "",
        }
        what = f"uploading version {version} of {self._model}"
        name = parent or f"{self._clients.location}/models/{own_id}"

        def made() -> bool:
            settle(self._clients, name, UPLOAD_TIMEOUT_S)
            return self.find(version) is not None

        operation = self._clients.call_once(what, self._clients.models.upload_model, request, made)
        if operation is None:
            return self.find(version)
        answer = finish(what, operation, UPLOAD_TIMEOUT_S)
        name = f"{answer.model}@{answer.model_version_id}"
        return self._clients.call(what, self._clients.models.get_model, {"name": name})

    def _parent(self) -> str | None:
        """The parent model's resource name; the oldest, should there be several."""
        request = {"parent": self._clients.location, "filter": label_filter(identity(self._host, self._model))}
        what = f"looking for model {self._model} in the Model Registry"
        found = self._clients.call_list(what, self._clients.models.list_models, request)
        oldest = min(found, key=lambda one: one.create_time, default=None)
        return None if oldest is None else str(oldest.name).partition("@")[0]


def resource_of(version: Any) -> str:
    """The resource name of exactly this version."""
    return f"{str(version.name).partition('@')[0]}@{version.version_id}"

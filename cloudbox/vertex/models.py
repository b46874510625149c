"""ModelService: versions under one parent, aliases that are unique per model, evaluations."""

from __future__ import annotations

import re
from typing import Any

from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2

from cloudbox.errors import already_exists, failed_precondition, invalid, not_found
from cloudbox.rpc import Method
from cloudbox.vertex.labels import check_labels
from cloudbox.vertex.listing import page
from cloudbox.vertex.masks import apply_mask
from cloudbox.vertex.operations import Operations
from cloudbox.vertex.store import Store, etag, location_of, new_id, now

DEFAULT = "default"
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_MODEL_ID = re.compile(r"[a-z0-9_]{1,63}")
_UPDATABLE = ("display_name", "description", "version_description", "labels")


class Models:
    """The model registry. A version is kept under `…/models/ID@NUMBER`; the default one stands for the model."""

    def __init__(self, store: Store, operations: Operations) -> None:
        self._store = store
        self._operations = operations

    def methods(self) -> dict[str, Method]:
        """The methods of ModelService by name."""
        return {
            "UploadModel": Method(self.upload, v1.UploadModelRequest),
            "GetModel": Method(self.get, v1.GetModelRequest),
            "ListModels": Method(self.list_models, v1.ListModelsRequest),
            "ListModelVersions": Method(self.list_versions, v1.ListModelVersionsRequest),
            "MergeVersionAliases": Method(self.merge_aliases, v1.MergeVersionAliasesRequest),
            "UpdateModel": Method(self.update, v1.UpdateModelRequest),
            "DeleteModel": Method(self.delete, v1.DeleteModelRequest),
            "DeleteModelVersion": Method(self.delete_version, v1.DeleteModelVersionRequest),
            "ImportModelEvaluation": Method(self.import_evaluation, v1.ImportModelEvaluationRequest),
            "GetModelEvaluation": Method(self.get_evaluation, v1.GetModelEvaluationRequest),
            "ListModelEvaluations": Method(self.list_evaluations, v1.ListModelEvaluationsRequest),
        }

    def versions(self, name: str) -> list[Any]:
        """Every version of a model, oldest first. Raises ApiError(NOT_FOUND) for an unknown model."""
        versions = self._store.listed(v1.Model, name.partition("@")[0])
        if not versions:
            raise not_found("Model", name)
        return versions

    def version(self, name: str) -> Any:
        """The version at `…/models/ID@NUMBER`, `@ALIAS`, or without either the default one."""
        base, _, wanted = name.partition("@")
        for version in self.versions(base):
            if (wanted or DEFAULT) in (version.version_id, *version.version_aliases):
                return version
        raise not_found("Model version", name)

    def get(self, request: Any) -> Any:
        """GetModel: a version, with where it is deployed."""
        version = self.version(request.name)
        version.deployed_models = [
            v1.DeployedModelRef(endpoint=endpoint.name, deployed_model_id=deployed.id)
            for endpoint, deployed in self._deployments_of(version)
        ]
        return version

    def upload(self, request: Any) -> Any:
        """UploadModel: a new model, or a new version below `parent_model`."""
        model = request.model
        _check(model)
        with self._store.lock:
            model.name = self._name(request)
            siblings = self._store.listed(v1.Model, model.name)
            model.version_id = str(self._store.next_number(model.name))
            model.create_time = siblings[0].create_time if siblings else now()
            model.update_time = model.version_create_time = model.version_update_time = now()
            model.etag = etag()
            model.supported_deployment_resources_types = _deployable(model)
            aliases = {*model.version_aliases, *([] if siblings else [DEFAULT])}
            model.version_aliases = sorted(aliases)
            self._take_aliases(model, siblings)
            self._put(model)
        response = v1.UploadModelResponse(model=model.name, model_version_id=model.version_id)
        return self._operations.finished(model.name, v1.UploadModelOperationMetadata(), response)

    def list_models(self, request: Any) -> Any:
        """ListModels: each by its default version."""
        location = location_of(request.parent)
        defaults = [
            model
            for model in self._store.listed(v1.Model)
            if DEFAULT in model.version_aliases and location_of(model.name) == location
        ]
        models, token = page(defaults, request)
        return v1.ListModelsResponse(models=models, next_page_token=token)

    def list_versions(self, request: Any) -> Any:
        """ListModelVersions."""
        models, token = page(self.versions(request.name), request)
        return v1.ListModelVersionsResponse(models=models, next_page_token=token)

    def merge_aliases(self, request: Any) -> Any:
        """MergeVersionAliases: `alias` moves here from its sibling, `-alias` is taken away."""
        with self._store.lock:
            version = self.version(request.name)
            added = [alias for alias in request.version_aliases if not alias.startswith("-")]
            removed = [alias[1:] for alias in request.version_aliases if alias.startswith("-")]
            _check_aliases(added)
            if DEFAULT in removed:
                raise invalid("The alias `default` cannot be removed; give it to another version.")
            version.version_aliases = sorted({*version.version_aliases, *added} - set(removed))
            version.version_update_time = version.update_time = now()
            self._take_aliases(version, self.versions(request.name))
            self._put(version)
        return version

    def update(self, request: Any) -> Any:
        """UpdateModel: of the version that the name says, the default one without."""
        with self._store.lock:
            version = self.version(request.model.name)
            apply_mask(version, request.model, request.update_mask.paths, _UPDATABLE)
            _check(version)
            version.version_update_time = version.update_time = now()
            version.etag = etag()
            self._put(version)
        return version

    def delete(self, request: Any) -> Any:
        """DeleteModel: every version; refused while one is deployed."""
        with self._store.lock:
            versions = self.versions(request.name)
            for version in versions:
                self._check_not_deployed(version)
            for version in versions:
                self._store.delete(_key(version))
        return self._operations.finished(versions[0].name, v1.DeleteOperationMetadata(), empty_pb2.Empty())

    def delete_version(self, request: Any) -> Any:
        """DeleteModelVersion: any but the default one of several; refused while it is deployed."""
        with self._store.lock:
            version = self.version(request.name)
            if DEFAULT in version.version_aliases:
                raise failed_precondition(
                    f"`{_key(version)}` is the default version; delete the model, or make another one the default."
                )
            self._check_not_deployed(version)
            self._store.delete(_key(version))
        return self._operations.finished(version.name, v1.DeleteOperationMetadata(), empty_pb2.Empty())

    def import_evaluation(self, request: Any) -> Any:
        """ImportModelEvaluation: kept below the version that `parent` names."""
        version = self.version(request.parent)
        evaluation = request.model_evaluation
        evaluation.name = f"{version.name}/evaluations/{new_id()}"
        evaluation.create_time = now()
        self._store.put(evaluation, f"{_evaluations(version)}/{evaluation.name.rpartition('/')[2]}")
        return evaluation

    def get_evaluation(self, request: Any) -> Any:
        """GetModelEvaluation, whichever version it belongs to."""
        model = request.name.partition("/evaluations/")[0]
        for version in self.versions(model):
            for evaluation in self._store.listed(v1.ModelEvaluation, _evaluations(version)):
                if evaluation.name == request.name:
                    return evaluation
        raise not_found("ModelEvaluation", request.name)

    def list_evaluations(self, request: Any) -> Any:
        """ListModelEvaluations of a version."""
        kept = self._store.listed(v1.ModelEvaluation, _evaluations(self.version(request.parent)))
        chosen, token = page(kept, request)
        return v1.ListModelEvaluationsResponse(model_evaluations=chosen, next_page_token=token)

    def _name(self, request: Any) -> str:
        if request.parent_model:
            name: str = request.parent_model.partition("@")[0]
            self.versions(name)
            return name
        if request.model_id and not _MODEL_ID.fullmatch(request.model_id):
            raise invalid(f"Invalid model_id `{request.model_id}`: at most 63 characters of [a-z0-9_].")
        name = f"{location_of(request.parent)}/models/{request.model_id or new_id()}"
        if self._store.listed(v1.Model, name):
            raise already_exists("Model", name)
        return name

    def _take_aliases(self, version: Any, siblings: list[Any]) -> None:
        """An alias belongs to one version of a model: the others lose it."""
        for other in siblings:
            left = [alias for alias in other.version_aliases if alias not in version.version_aliases]
            if other.version_id != version.version_id and left != list(other.version_aliases):
                other.version_aliases = left
                self._put(other)

    def _put(self, version: Any) -> None:
        self._store.put(version, _key(version))

    def _check_not_deployed(self, version: Any) -> None:
        for endpoint, _ in self._deployments_of(version):
            raise failed_precondition(
                f"The Model `{_key(version)}` is deployed at Endpoint `{endpoint.name}`; undeploy it first."
            )

    def _deployments_of(self, version: Any) -> list[tuple[Any, Any]]:
        """Each endpoint and deployed model that serve this version."""
        return [
            (endpoint, deployed)
            for endpoint in self._store.listed(v1.Endpoint)
            for deployed in endpoint.deployed_models
            if (deployed.model, deployed.model_version_id) == (version.name, version.version_id)
        ]


def _key(version: Any) -> str:
    return f"{version.name}@{version.version_id}"


def _evaluations(version: Any) -> str:
    return f"{version.name}/versions/{version.version_id}/evaluations"


def _deployable(model: Any) -> list[Any]:
    kinds = v1.Model.DeploymentResourcesType
    return [kinds.DEDICATED_RESOURCES, kinds.AUTOMATIC_RESOURCES] if model.container_spec.image_uri else []


def _check(model: Any) -> None:
    if not 1 <= len(model.display_name) <= 128:
        raise invalid(f"Model.display_name has 1 to 128 characters, got {len(model.display_name)}.")
    if model.artifact_uri and not model.artifact_uri.startswith("gs://"):
        raise invalid(f"Model.artifact_uri `{model.artifact_uri}` is no Cloud Storage directory (gs://BUCKET/…).")
    check_labels(model.labels)
    _check_aliases(model.version_aliases)


def _check_aliases(aliases: Any) -> None:
    for alias in aliases:
        if not _ALIAS.fullmatch(alias):
            raise invalid(
                f"Invalid version alias `{alias}`: it matches [a-z][a-zA-Z0-9-]{{0,126}}[a-z0-9], not a version number."
            )

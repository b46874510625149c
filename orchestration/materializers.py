"""How artifacts are kept and shown: directories as one uncompressed tar, values as JSON, each with its page.

`steps` imports this module, so every process that runs a step has the materializers registered.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

from pydantic import BaseModel, RootModel
from zenml.enums import ArtifactType, VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer
from zenml.materializers.pydantic_materializer import DEFAULT_FILENAME, LEGACY_FILENAME, PydanticMaterializer
from zenml.metadata.metadata_types import MetadataType

from evergreen.core.artifacts import MANIFEST_NAME, DirectoryArtifact
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError, InputError
from evergreen.runtime.asides import beside_the_point
from orchestration.scratch import scratch_directory

ARCHIVE_NAME = "content.tar"
PAGE_NAME = "page.html"
DATA_NAMES = (ARCHIVE_NAME, DEFAULT_FILENAME, LEGACY_FILENAME)
"""The file without which an artifact is lost, whatever lies beside it: a directory's, a value's, an older value's."""

Artifact = TypeVar("Artifact", bound=DirectoryArtifact[Any])


class PageMixin(BaseMaterializer):
    """Shows an artifact in the dashboard as its HTML page."""

    SKIP_REGISTRATION: ClassVar[bool] = True

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        """The artifact's page, stored beside it; none, with a warning, where that cannot be."""
        from orchestration.pages import page_of  # drawn where an artifact is saved; who only reads one needs no chart

        uri = page_uri(self.uri)
        with beside_the_point(f"the page of {type(data).__name__}"):
            page = page_of(data)
            with self.artifact_store.open(uri, "w") as file:
                file.write(page)
            return {uri: VisualizationType.HTML}
        return {}


class DirectoryMaterializer(PageMixin):
    """Keeps a directory artifact as one tar: weights and Parquet gain nothing from compression, one object is fast.

    Its manifest lies beside it and is all that is read of an artifact until somebody asks for its `path`.
    """

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (DirectoryArtifact,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def save(self, data: DirectoryArtifact[Any]) -> None:
        """Streams the directory into the artifact store, the manifest last: it means a whole directory."""
        with (
            self.artifact_store.open(f"{self.uri}/{ARCHIVE_NAME}", "wb") as file,
            tarfile.open(fileobj=file, mode="w|") as archive,
        ):
            for path in sorted(data.path.rglob("*")):
                if path.is_file():
                    archive.add(path, arcname=path.relative_to(data.path).as_posix())
        with self.artifact_store.open(f"{self.uri}/{MANIFEST_NAME}", "wb") as file:
            file.write(data.manifest.model_dump_json(indent=2).encode())

    def load(self, data_type: type[Artifact]) -> Artifact:
        """The artifact by its manifest; its files come, whole and checked, when its `path` is asked for.

        One that was saved before manifests lay beside comes at once.

        Raises:
            EvergreenError: what is stored is not what was saved.
        """
        try:
            with self.artifact_store.open(f"{self.uri}/{MANIFEST_NAME}", "rb") as file:
                manifest = file.read()
        except FileNotFoundError:
            artifact = self._fetched(data_type)
        else:
            artifact = self._handle(data_type, manifest)
        if self.expected_content_hash not in (None, artifact.manifest.content_hash):
            difference = f"content hash {artifact.manifest.content_hash}, recorded {self.expected_content_hash}"
            raise self._damaged(data_type, difference)
        return artifact

    def _handle(self, data_type: type[Artifact], manifest: bytes) -> Artifact:
        def fetch() -> Path:
            fetched = self._fetched(data_type)
            if fetched.manifest.content_hash != handle.manifest.content_hash:
                raise self._damaged(data_type, f"its {MANIFEST_NAME} is of other content")
            return fetched.path

        try:
            handle = data_type.described(manifest, fetch, self.uri)
        except InputError as error:
            raise self._damaged(data_type, str(error)) from error
        return handle

    def _fetched(self, data_type: type[Artifact]) -> Artifact:
        """The artifact in a scratch directory of this process, every file checked."""
        directory = scratch_directory(data_type.__name__)
        try:
            with (
                self.artifact_store.open(f"{self.uri}/{ARCHIVE_NAME}", "rb") as file,
                tarfile.open(fileobj=file, mode="r|") as archive,
            ):
                _unpack(archive, directory)
            artifact = data_type.open(directory)
            artifact.check_files()
        except FileNotFoundError as error:
            raise _lost(self, data_type, error) from error
        except (tarfile.TarError, InputError) as error:
            raise self._damaged(data_type, str(error)) from error
        return artifact

    def _damaged(self, data_type: type[Artifact], reason: str) -> EvergreenError:
        return EvergreenError(
            f"{data_type.__name__} at {self.uri} is damaged: {reason}; run the configuration that made it again with "
            "--no-cache"
        )

    def compute_content_hash(self, data: DirectoryArtifact[Any]) -> str:
        """The manifest's hash: equal content answers later steps from cache, whichever run made it."""
        return cast("str", data.manifest.content_hash)

    def extract_metadata(self, data: DirectoryArtifact[Any]) -> dict[str, MetadataType]:
        """The manifest's plain fields, listed beside the artifact."""
        plain = data.manifest.model_dump(mode="json", exclude={"files"})
        kept = {key: value for key, value in plain.items() if isinstance(value, str | int | float)}
        facts = cast("dict[str, str]", data.manifest.facts)
        return {**kept, **facts, "content_hash": data.manifest.content_hash, "files": len(data.manifest.files)}


def _unpack(archive: tarfile.TarFile, directory: Path) -> None:
    """Writes the archive's files below the directory, and refuses links and paths that lead out: `save` writes none.

    Python's own `extractall(filter="data")` came with 3.11.4, and Debian 12 has 3.11.2.
    """
    root = directory.resolve()
    for member in archive:
        target = (root / member.name).resolve()
        content = archive.extractfile(member) if member.isreg() else None
        if content is None or not target.is_relative_to(root):
            raise tarfile.TarError(f"{member.name} is no file below it")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)


class ValueMaterializer(PageMixin, PydanticMaterializer):
    """Keeps a value as JSON."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Frozen,)

    def load(self, data_type: type[Any]) -> Any:
        """The value.

        Raises:
            EvergreenError: it is gone from the store.
        """
        try:
            return super().load(data_type)
        except FileNotFoundError as error:
            raise _lost(self, data_type, error) from error

    def compute_content_hash(self, data: BaseModel) -> str | None:
        """What answers later steps from cache: the value, without what lies beside its content."""
        beside = data.beside_content if isinstance(data, Frozen) else frozenset()
        content = data.model_dump(mode="json") | dict.fromkeys(beside, "")
        return super().compute_content_hash(RootModel[dict[str, Any]](content))

    def extract_metadata(self, data: BaseModel) -> dict[str, MetadataType]:
        """Its plain fields, listed beside the artifact."""
        long = {name for name in type(data).model_fields if isinstance(getattr(data, name), bytes)}
        plain = data.model_dump(mode="json", exclude=long)
        return {key: value for key, value in plain.items() if isinstance(value, str | int | float)}


class RefusingMaterializer(BaseMaterializer):
    """Stands where ZenML would fall back to pickle: what has no materializer of its own is an error."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (object,)

    def save(self, data: Any) -> None:
        """Refuses the value.

        Raises:
            TypeError: always.
        """
        kind = f"{type(data).__module__}.{type(data).__qualname__}"
        raise TypeError(
            f"no materializer for {kind} (allowed: DirectoryArtifact, Frozen, ZenML's built-in types); "
            "derive the type from one of them, or add a materializer to orchestration/materializers.py"
        )

    def load(self, data_type: type[Any]) -> Any:
        """Refuses the type: a pickle of somebody else's run is not opened.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"no materializer for {data_type.__qualname__}; artifacts are never unpickled")


def _lost(materializer: BaseMaterializer, data_type: type[Any], error: Exception) -> EvergreenError:
    """The error of an artifact that the store does not hold any more; ZenML stores it below `<step>/<output>`."""
    root = str(materializer.artifact_store.path).rstrip("/")
    step, _, rest = materializer.uri.removeprefix(root).strip("/").partition("/")
    made = f", output '{rest.split('/')[0]}' of step '{step}'," if rest and materializer.uri.startswith(root) else ""
    return EvergreenError(
        f"{data_type.__name__} at {materializer.uri}{made} is gone from the artifact store ({error}); run the "
        "configuration that made it again with --no-cache"
    )


def page_uri(artifact_uri: str) -> str:
    """Where the page of an artifact is kept."""
    return f"{artifact_uri}/{PAGE_NAME}"

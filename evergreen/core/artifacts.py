"""What passes between steps. Directories carry a manifest, so that equal content has an equal hash.

A dataset directory:

    manifest.json         {"files": [{"name": "rows-00000.parquet", "sha256": "9f…", "bytes": 81234}], "rows": 2225, …}
    rows-00000.parquet    id, text, label, …
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, ClassVar, Generic, Self, TypeVar

from pydantic import AfterValidator, ValidationError

from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.core.intake import Intake

MANIFEST_NAME = "manifest.json"
HISTORY_NAME = "history.json"
VERSION_LENGTH = 12
WEIGHTS_SUFFIX = ".safetensors"
INTAKE_FACT = "intake"
LEFT_OUT_FACT = "left_out"
REPLAYED = "replayed"
"""The column of an incremental run's rows that tells which of them the champion knows, and are read once more."""


def sha256_of(path: Path) -> str:
    """The checksum (hex) of the file at `path`, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    leaves = path.is_absolute() or ".." in path.parts
    if leaves or name in ("", ".") or path.as_posix() != name or not {"\\", "\0"}.isdisjoint(name):
        raise ValueError(f"{name!r} is no plain relative path, or leads out of the directory")
    return name


FileName = Annotated[str, AfterValidator(_inside)]
"""A POSIX path that stays below the directory, whoever wrote the manifest."""


class FileEntry(Frozen):
    """One file below the directory; `name` is its path relative to it."""

    name: FileName
    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path, root: Path) -> Self:
        """The entry of the file at `path`."""
        return cls(name=path.relative_to(root).as_posix(), sha256=sha256_of(path), bytes=path.stat().st_size)


class Manifest(Frozen):
    """What a directory holds. Subclasses add fields; only `files` enters the hash."""

    files: tuple[FileEntry, ...]

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) over names and checksums of the files; equal for equal content."""
        listing = sorted((entry.name, entry.sha256) for entry in self.files)
        return hashlib.sha256(json.dumps(listing).encode()).hexdigest()

    @property
    def facts(self) -> dict[str, str]:
        """What is listed beside the stored artifact, besides its plain fields."""
        return {}


M = TypeVar("M", bound=Manifest)


@dataclass(frozen=True)
class DirectoryArtifact(Generic[M]):
    """A directory and its manifest; the materializer moves it between machines.

    `place` is where the directory lies on this machine, or what fetches it once its `path` is asked for: whoever reads
    no more than the manifest moves no more.
    """

    manifest_type: ClassVar[type[Manifest]] = Manifest

    place: Path | Callable[[], Path]
    manifest: M

    @cached_property
    def path(self) -> Path:
        """The directory on this machine, whole; raises what fetching it raises."""
        return self.place if isinstance(self.place, Path) else self.place()

    @classmethod
    def open(cls, path: Path) -> Self:
        """The artifact at `path`.

        Raises:
            InputError: no readable manifest there.
        """
        try:
            text = (path / MANIFEST_NAME).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise InputError(f"no {cls.__name__} at {path}: {error}") from error
        return cls.described(text, path, str(path))

    @classmethod
    def described(cls, manifest: str | bytes, place: Path | Callable[[], Path], where: str) -> Self:
        """The artifact that the text of a manifest describes; `where` it is, in words.

        Raises:
            InputError: it is no such manifest.
        """
        try:
            parsed = cls.manifest_type.model_validate_json(manifest)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            raise InputError(f"no {cls.__name__} at {where}: {field}: {first['msg']}") from error
        return cls(place, parsed)  # type: ignore[arg-type]

    def check_files(self, left_out: Collection[str] = ()) -> None:
        """Returns when every file but those `left_out` is as the manifest has it, by size and checksum; each is read.

        Raises:
            InputError: naming the first file that is missing or damaged.
        """
        for entry in self.manifest.files:
            if entry.name in left_out:
                continue
            try:
                present = FileEntry.of(self.path / entry.name, self.path)
            except OSError as error:
                raise InputError(f"{self.path} lacks {entry.name}, which its manifest lists ({error})") from error
            if present != entry:
                raise InputError(
                    f"{entry.name} in {self.path} is damaged: {present.bytes} bytes with checksum {present.sha256}, "
                    f"the manifest has {entry.bytes} bytes with {entry.sha256}"
                )

    @classmethod
    def write(cls, path: Path, manifest: M) -> Self:
        """The artifact at `path` after its manifest was written, last, so that a manifest means a whole directory."""
        (path / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
        return cls(path, manifest)


class ResolvedWindow(Frozen):
    """Half-open interval `[start, end)` of row timestamps, both in UTC."""

    start: datetime
    end: datetime


class SourceIdentity(Frozen):
    """Which rows a source holds now; equal identities promise equal rows, whatever else its settings say.

    `description` tells people where they lie. `atomic`: a read shows the rows of one instant, so it is whole though
    others come and go while it lasts.
    """

    beside_content: ClassVar[frozenset[str]] = frozenset({"description"})

    kind: str
    fingerprint: str
    description: str
    rows: int | None = None
    window: ResolvedWindow | None = None
    atomic: bool = False


class DatasetManifest(Manifest):
    """Canonical rows in Parquet shards; `columns` maps each column to its Arrow type.

    `intake` counts what the source saw and left out; None where an earlier version wrote the dataset.
    """

    rows: int
    columns: dict[str, str]
    source: SourceIdentity
    watermark: datetime | None = None
    intake: Intake | None = None

    @property
    def facts(self) -> dict[str, str]:
        """What was read of what was seen, in words."""
        return {} if self.intake is None else {INTAKE_FACT: self.intake.words()}


class Dataset(DirectoryArtifact[DatasetManifest]):
    """Rows as a source gave them, columns renamed to the canonical names (`id`, `text`, `label`, …)."""

    manifest_type = DatasetManifest

    @property
    def shards(self) -> list[Path]:
        """The Parquet files, in row order."""
        return [self.path / entry.name for entry in self.manifest.files]


class ClassCountsManifest(Manifest):
    """Of as many rows as the dataset has; of none where rows have no masks."""

    rows: int


class ClassCounts(DirectoryArtifact[ClassCountsManifest]):
    """Class counts: shards with the `classes` in each mask of a dataset and the `pixels` of each, in its row order."""

    manifest_type = ClassCountsManifest

    @property
    def shards(self) -> list[Path]:
        """The Parquet files, in row order."""
        return [self.path / entry.name for entry in self.manifest.files]


class SplitName:
    """The three splits, spelled once."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    ALL = (TRAIN, VALIDATION, TEST)


class RecordedSplitPlan(Frozen):
    """How rows were shared out: with an equal seed, rows tested on under a smaller `test` are so under a larger one.

    `given` names the splits that the source gave instead; `grouped` tells that the rows' groups decided, not their
    content.
    """

    seed: int
    train: float
    validation: float
    test: float
    near_duplicate_similarity: float | None
    near_duplicate_distance: int | None = None
    given: tuple[str, ...] = ()
    grouped: bool = False


class SplitsManifest(Manifest):
    """`rows` and `labels` are keyed by split name; `removed` counts left-out rows by reason looked for.

    `labels` counts rows by label; of pictures, the rows in which a class occurs, by class index, and `pixels` counts
    its pixels. `replayed` counts rows that the champion knows; it is empty where nothing tells them. `plan` is None,
    and `pixels` empty, where an earlier version wrote the splits.
    """

    dataset: str
    seed: int
    rows: dict[str, int]
    labels: dict[str, dict[str, int]]
    pixels: dict[str, dict[str, int]] = {}
    replayed: dict[str, int] = {}
    removed: dict[str, int]
    plan: RecordedSplitPlan | None = None

    @property
    def facts(self) -> dict[str, str]:
        """Which rows are in no split, where there are any, as the run's last lines tell it."""
        left_out = [f"{rows:,} {reason.replace('_', ' ')}" for reason, rows in self.removed.items() if rows]
        words = f"{sum(self.removed.values()):,} rows in no split ({', '.join(left_out)})"
        return {LEFT_OUT_FACT: words} if left_out else {}

    @property
    def given(self) -> tuple[str, ...]:
        """The splits that the source gave; those that it did not were drawn by `plan`."""
        return self.plan.given if self.plan else ()

    @property
    def grouped(self) -> bool:
        """Whether the rows' groups decided instead of their content."""
        return self.plan is not None and self.plan.grouped


class Splits(DirectoryArtifact[SplitsManifest]):
    """Parquet shards below `train/`, `validation/` and `test/`; no exact or near duplicate straddles them."""

    manifest_type = SplitsManifest

    def shards(self, split: str) -> list[Path]:
        """The Parquet files of one split, in row order."""
        names = [entry.name for entry in self.manifest.files]
        return [self.path / name for name in names if name.startswith(f"{split}/")]


class HeldOutManifest(Manifest):
    """Of so many rows."""

    rows: int


class HeldOut(DirectoryArtifact[HeldOutManifest]):
    """Held-out rows: what tells those that a version and the ones before it were tested on or selected by, by shards.

    A row has the `key` of its content, the `code` of its split, and by what rows like it are found; never its content.
    """

    manifest_type = HeldOutManifest

    @property
    def shards(self) -> list[Path]:
        """The Parquet files."""
        return [self.path / entry.name for entry in self.manifest.files]


class TrainedModelManifest(Manifest):
    """`task` is the task's configuration, `trained_on` the content hash of the splits: lineage back to rows.

    `split_plan` is the `plan` of these splits, `code` the fingerprint of the code that trained it; None where that was
    not noted yet.
    """

    task: dict[str, object]
    trained_on: str
    seed: int
    split_plan: RecordedSplitPlan | None = None
    code: str | None = None

    @property
    def version(self) -> str:
        """The model's name everywhere: the first characters of its content hash, a letter among them.

        ZenML takes a name of digits alone for a number of its own and refuses it.
        """
        digest = self.content_hash
        starts = range(len(digest) - VERSION_LENGTH + 1)
        names = (digest[start : start + VERSION_LENGTH] for start in starts)
        return next((name for name in names if not name.isdecimal()), f"v{digest[1:VERSION_LENGTH]}")


class TrainedModel(DirectoryArtifact[TrainedModelManifest]):
    """A self-describing directory: safetensors weights, tokenizer or image processor, labels, `task.json`."""

    manifest_type = TrainedModelManifest

    @property
    def version(self) -> str:
        """The model's name everywhere."""
        return self.manifest.version

    @property
    def size_bytes(self) -> int:
        """Bytes of all files that a server loads."""
        return sum(entry.bytes for entry in self.manifest.files)

    @property
    def weights(self) -> frozenset[str]:
        """The files that no server needs which answers by a graph of the model."""
        return frozenset(entry.name for entry in self.manifest.files if entry.name.endswith(WEIGHTS_SUFFIX))

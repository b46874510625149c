"""The source `oxford_pets`: Oxford-IIIT Pet out of its published archives, photos with trimaps, breed and species."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from evergreen.adapters.files.cloud import Bucket, is_cloud, list_cloud
from evergreen.adapters.files.find import Files
from evergreen.adapters.oxford_pets.archives import ARCHIVES, Annotations, read_annotations, read_images
from evergreen.adapters.oxford_pets.settings import COLUMNS, OxfordPetsSettings
from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity
from evergreen.core.errors import InputError
from evergreen.core.intake import IntakeCount, LeftOut
from evergreen.core.members import ReadSource
from evergreen.core.preparation import Raw
from evergreen.data.canonical import canonical_rows
from evergreen.data.columns import ROW_NAME
from evergreen.data.dataset import write_dataset
from evergreen.data.row_fields import check_columns

if TYPE_CHECKING:
    import pyarrow as pa

SHARES = 4
"""Parts that are prepared side by side; each reads both archives, and takes its photos."""
INCOMPLETE = "picture that has no trimap or is in no list"
ABSENT = "picture that is listed and not there"
_BATCH_ROWS = 64


class OxfordPetsSource(ReadSource[OxfordPetsSettings]):
    """Photos with trimaps."""

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """Checksums of the archives and the fields that shape rows. Raises InputError where an archive is missing."""
        self.settings.check_window(window)
        entries = list(_archives(self.settings.path).checksums())
        size = sum(count for _, _, count in entries) / 1e6
        content = [self.settings.shaping(), [(name, checksum) for name, checksum, _ in entries]]
        return SourceIdentity(
            kind=self.settings.kind,
            fingerprint=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
            description=f"Oxford-IIIT Pet in {self.settings.path} ({size:,.1f} MB)",
        )

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """The photos as Parquet shards. Raises InputError where an archive cannot be used."""
        self.settings.check_window(window)
        count = IntakeCount()
        rows = canonical_rows(photos(self.settings, 0, 1, count), self.settings, None, count)
        return write_dataset(rows, out_dir, partial(self.identity, window), count)

    def raw(self) -> Raw:
        """Several shares of the photos. Raises InputError where an archive is missing."""
        identity = self.identity(None)
        parts = tuple(PetsPart(self.settings, number) for number in range(SHARES))
        return Raw(identity.description, parts, tuple(_share_of(identity, part.number) for part in parts))


@dataclass(frozen=True)
class PetsPart:
    """Every fourth photo."""

    settings: OxfordPetsSettings
    number: int

    def fingerprint(self) -> str:
        """That of the source, and which share this is."""
        return _share_of(OxfordPetsSource(self.settings).identity(None), self.number)

    def rows(self, count: IntakeCount) -> Iterator[pa.RecordBatch]:
        """The share's rows with canonical columns. Raises InputError where an archive cannot be used."""
        return canonical_rows(photos(self.settings, self.number, SHARES, count), self.settings, None, count)


def _share_of(identity: SourceIdentity, number: int) -> str:
    """The fingerprint of a share."""
    return f"{identity.fingerprint}-{number}"


def photos(settings: OxfordPetsSettings, share: int, shares: int, count: IntakeCount) -> Iterator[pa.RecordBatch]:
    """Of the photos that are listed and have a trimap, those of one share; the first share counts the others.

    Raises:
        InputError: an archive cannot be used.
    """
    check_columns(settings, COLUMNS, settings.path)
    with TemporaryDirectory(prefix="evergreen-pets-") as folder:
        archives = _archives(settings.path).opened()
        annotations = read_annotations(*next(archives), Path(folder))
        others = IntakeCount()
        complete = _complete(annotations, read_images(*next(archives)), others)
        rows = (_row(*photo, annotations) for photo in islice(complete, share, None, shares))
        while batch := list(islice(rows, _BATCH_ROWS)):
            yield _batch(batch)
    if share == 0:
        count.add(others.left_out)


def _complete(
    annotations: Annotations, photos: Iterator[tuple[str, bytes]], count: IntakeCount
) -> Iterator[tuple[str, bytes]]:
    """The photos that are listed and have a trimap; `count` counts the others once all are read."""
    absent, incomplete = set(annotations.listed), list[str]()
    for name, content in photos:
        if name in absent and name in annotations.trimaps:
            yield name, content
        else:
            incomplete.append(name)
        absent.discard(name)
    count.add(LeftOut.of((INCOMPLETE, name) for name in incomplete))
    count.add(LeftOut.of((ABSENT, name) for name in sorted(absent)))


def _row(name: str, content: bytes, annotations: Annotations) -> tuple[object, ...]:
    listed = annotations.listed[name]
    return content, annotations.trimaps[name].read_bytes(), listed.split, listed.breed, listed.species, name


def _batch(rows: list[tuple[object, ...]]) -> pa.RecordBatch:
    import pyarrow as pa

    types = [pa.binary(), pa.binary(), *[pa.string()] * 4]
    columns = zip(zip(*rows, strict=True), types, strict=True)
    return pa.RecordBatch.from_arrays([pa.array(values, kind) for values, kind in columns], [*COLUMNS, ROW_NAME])


def _archives(path: str) -> Files:
    """The archives, annotations first. Raises InputError where one is missing."""
    if is_cloud(path):
        folder, objects, _ = list_cloud(path)
        by_path = {Path(file.path): file for file in objects}
        present = Files(Path(folder), tuple(by_path), Bucket(path, by_path))
    else:
        present = Files(Path(path), tuple(file for name in ARCHIVES if (file := Path(path) / name).is_file()))
    files = [present.root / name for name in ARCHIVES]
    if missing := [file.name for file in files if file not in present.files]:
        raise InputError(
            f"no {' and no '.join(missing)} in '{path}'; download Oxford-IIIT Pet "
            "(https://www.robots.ox.ac.uk/~vgg/data/pets/), or set source.path"
        )
    return present.of(files)

"""The source `oxford_pets`: Oxford-IIIT Pet out of its published archives, photos with trimaps, breed and species."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from evergreen.adapters.files.cloud import Bucket, is_cloud, list_cloud
from evergreen.adapters.files.find import Files
from evergreen.adapters.oxford_pets.archives import ARCHIVES, Annotations, Listed, read_annotations, read_images
from evergreen.adapters.oxford_pets.settings import COLUMNS, OxfordPetsSettings
from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity
from evergreen.core.errors import InputError
from evergreen.core.intake import IntakeCount
from evergreen.core.members import ReadSource
from evergreen.core.preparation import Raw
from evergreen.data.canonical import canonical_rows
from evergreen.data.dataset import write_dataset
from evergreen.data.row_fields import ROW_NAME, check_columns

if TYPE_CHECKING:
    import pyarrow as pa

SHARES = 4
"""Parts that are prepared side by side; each reads both archives, and takes its photos."""
WITHOUT_TRIMAP = "picture that has no trimap or is in no list"
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
        parts = tuple(PetsPart(self.settings, number) for number in range(SHARES))
        return Raw(self.identity(None).description, parts)


@dataclass(frozen=True)
class PetsPart:
    """Every fourth photo."""

    settings: OxfordPetsSettings
    number: int

    def fingerprint(self) -> str:
        """That of the source, and which share this is."""
        return f"{OxfordPetsSource(self.settings).identity(None).fingerprint}-{self.number}"

    def rows(self) -> Iterator[pa.RecordBatch]:
        """The share's rows with canonical columns. Raises InputError where an archive cannot be used."""
        return canonical_rows(photos(self.settings, self.number, SHARES), self.settings, None)


def photos(
    settings: OxfordPetsSettings, share: int, shares: int, count: IntakeCount | None = None
) -> Iterator[pa.RecordBatch]:
    """Of the photos that are listed and have a trimap, those of one share; `count` is told of the others.

    Raises:
        InputError: an archive cannot be used.
    """
    check_columns(settings, COLUMNS, settings.path)
    with TemporaryDirectory(prefix="evergreen-pets-") as name:
        opened = _archives(settings.path).opened()
        known = read_annotations(next(opened)[1], Path(name))
        held: list[tuple[object, ...]] = []
        number = 0
        for photo, content in read_images(next(opened)[1]):
            listed = known.listed.get(photo)
            if listed is None or photo not in known.trimaps:
                if count is not None:
                    count.see(1)
                    count.leave_out(WITHOUT_TRIMAP, 1, [photo])
                continue
            if number % shares == share:
                held.append(_row(photo, content, listed, known))
            number += 1
            if len(held) == _BATCH_ROWS:
                yield _batch(held)
                held = []
        if held:
            yield _batch(held)


def _row(photo: str, content: bytes, listed: Listed, known: Annotations) -> tuple[object, ...]:
    return content, known.trimaps[photo].read_bytes(), listed.split, listed.breed, listed.species, photo


def _batch(rows: list[tuple[object, ...]]) -> pa.RecordBatch:
    import pyarrow as pa

    types = [pa.binary(), pa.binary(), *[pa.string()] * 4]
    columns = zip(zip(*rows, strict=True), types, strict=True)
    return pa.RecordBatch.from_arrays([pa.array(values, kind) for values, kind in columns], [*COLUMNS, ROW_NAME])


def _archives(path: str) -> Files:
    """The archives, annotations first. Raises InputError where one is missing."""
    place = path.rstrip("/")
    if is_cloud(place):
        listed = [one for name in ARCHIVES for one in list_cloud(f"{place}/{name}")[1]]
        by_path = {Path(one.path): one for one in listed}
        return Files(next(iter(by_path)).parent, tuple(by_path), Bucket(place, by_path))
    root = Path(place)
    if missing := [name for name in ARCHIVES if not (root / name).is_file()]:
        raise InputError(
            f"no {' and no '.join(missing)} in '{path}'; download Oxford-IIIT Pet "
            "(https://www.robots.ox.ac.uk/~vgg/data/pets/), or set source.path"
        )
    return Files(root, tuple(root / name for name in ARCHIVES))

"""The published archives, read as they stream by: nothing of them is unpacked under a name of their own.

annotations.tar.gz: annotations/trainval.txt, annotations/test.txt, annotations/trimaps/Abyssinian_1.png
images.tar.gz:      images/Abyssinian_1.jpg
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from evergreen.core.errors import InputError

ARCHIVES = ("annotations.tar.gz", "images.tar.gz")
MOST_BYTES = 32 << 20
"""Of one file: the largest photo has less than 1 MB, and a few bytes may unpack to as many as a machine has."""
MOST_BYTES_IN_ALL = 16 << 30
_PIECE_BYTES = 1 << 20
LISTS = {"annotations/trainval.txt": "train", "annotations/test.txt": "test"}
TRIMAPS, IMAGES = "annotations/trimaps/", "images/"
SPECIES = {"1": "cat", "2": "dog"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*_[0-9]+")


class Listed(NamedTuple):
    """What the lists say of a photo."""

    split: str
    species: str
    breed: str


@dataclass(frozen=True)
class Annotations:
    """The photos that are listed, by name, and the files with the trimaps of those that have one."""

    listed: Mapping[str, Listed]
    trimaps: Mapping[str, Path]


def read_annotations(name: str, archive: Path, folder: Path) -> Annotations:
    """The lists, and the trimaps written below `folder` by number; `name` is what messages call the archive.

    Raises:
        InputError: it is no such archive, is cut off, is too large unpacked, or leads out of itself.
    """
    listed: dict[str, Listed] = {}
    trimaps: dict[str, Path] = {}
    missing = set(LISTS)
    for member, content in _files(name, archive, lambda member: member in LISTS or member.startswith(TRIMAPS)):
        if member in LISTS:
            missing.discard(member)
            listed |= _listed(content.decode("utf-8", "replace"), member)
        elif (photo := _photo(member, ".png")) is not None:
            trimaps[photo] = folder / f"{len(trimaps)}.png"
            trimaps[photo].write_bytes(content)
    if not trimaps:
        missing.add(TRIMAPS)
    if missing:
        raise InputError(f"{name} holds no {', '.join(sorted(missing))}; it is not the archive that is published")
    return Annotations(listed, trimaps)


def read_images(name: str, archive: Path) -> Iterator[tuple[str, bytes]]:
    """Each photo's name and content, in the order of the archive. Raises as `read_annotations` does."""
    for member, content in _files(name, archive, lambda member: member.startswith(IMAGES)):
        if (photo := _photo(member, ".jpg")) is not None:
            yield photo, content


def _files(name: str, archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    try:
        with gzip.open(archive) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as members:
                yield from _members(members, name, wanted)
            while stream.read(_PIECE_BYTES):
                pass  # a tar that is cut off between two files seems to end there: gzip's checksum at the end tells
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise InputError(f"{name} cannot be read: {error}; download it again") from error


def _members(members: tarfile.TarFile, archive: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    total = 0
    for member in members:
        name = member.name.removeprefix("./")
        _check(member, name, archive)
        total += member.size
        if total > MOST_BYTES_IN_ALL:
            raise InputError(f"{archive} unpacks to more than {MOST_BYTES_IN_ALL:,} bytes; it is damaged")
        if not member.isreg() or not wanted(name):
            continue
        content = members.extractfile(member)
        if content is not None:
            yield name, content.read()


def _check(member: tarfile.TarInfo, name: str, archive: str) -> None:
    """Raises InputError for a member that no archive of this data set has."""
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or not (member.isreg() or member.isdir()):
        raise InputError(f"{archive} holds {name!r}, which leads out of it or is no file; download it again")
    if member.size > MOST_BYTES:
        raise InputError(
            f"{archive} holds {name!r} of {member.size:,} bytes (allowed: {MOST_BYTES:,}); download it again"
        )


def _photo(name: str, suffix: str) -> str | None:
    place = PurePosixPath(name)
    return place.stem if place.suffix == suffix and _NAME.fullmatch(place.stem) else None


def _listed(text: str, name: str) -> Iterator[tuple[str, Listed]]:
    """`Abyssinian_100 1 1 1`: photo, number of the breed among all, species, number among the species' breeds."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        if len(fields) != 4 or fields[2] not in SPECIES or not _NAME.fullmatch(fields[0]):
            raise InputError(f"{name}:{number} is {line!r:.60}, not a photo with three numbers; download it again")
        breed = fields[0].rpartition("_")[0].replace("_", " ")
        yield fields[0], Listed(LISTS[name], SPECIES[fields[2]], breed)

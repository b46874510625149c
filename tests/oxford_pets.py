"""Archives laid out as those of Oxford-IIIT Pet are published, of drawn pets."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from evergreen.data.pictures import Pixels, encode_png
from tests.e2e.pets import draw

BREEDS = {"Abyssinian": (1, 1), "american_bulldog": (2, 2), "Egyptian_Mau": (3, 1)}
"""Number of the breed, and of its species: cat, dog."""


def photo_names(count: int) -> list[str]:
    """Photos of the three breeds in turn."""
    breeds = list(BREEDS)
    return [f"{breeds[number % len(breeds)]}_{number // len(breeds) + 1}" for number in range(count)]


def trimap(number: int) -> Pixels:
    """Values 1 pet, 2 background, 3 border."""
    mask = draw(number)[1]
    return np.asarray(mask + 1, dtype=np.uint8)


def write_archives(folder: Path, count: int, damaged: str = "") -> None:
    """`images.tar.gz` and `annotations.tar.gz` of so many photos, every third for the test; one may be cut off."""
    folder.mkdir(parents=True, exist_ok=True)
    names = photo_names(count)
    lines = [f"{name} {BREEDS[name.rpartition('_')[0]][0]} {BREEDS[name.rpartition('_')[0]][1]} 1" for name in names]
    lists = {
        "annotations/README": "as published",
        "annotations/list.txt": "#Image CLASS-ID SPECIES BREED ID\n" + "\n".join(lines),
        "annotations/trainval.txt": "\n".join(line for number, line in enumerate(lines) if number % 3) + "\n",
        "annotations/test.txt": "\n".join(line for number, line in enumerate(lines) if not number % 3) + "\n",
    }
    trimaps = {f"annotations/trimaps/{name}.png": encode_png(trimap(number)) for number, name in enumerate(names)}
    hidden = {f"annotations/trimaps/._{names[0]}.png": b"Mac OS X"}
    write_archive(folder / "annotations.tar.gz", {**{k: v.encode() for k, v in lists.items()}, **hidden, **trimaps})
    images = dict(_images(names)) | {"images/Abyssinian_900.mat": b"MATLAB"}
    if damaged:
        images[f"images/{damaged}.jpg"] = images[f"images/{damaged}.jpg"][:900]
    write_archive(folder / "images.tar.gz", images)


def write_archive(file: Path, contents: Mapping[str, bytes]) -> None:
    """A compressed tar of these files."""
    with tarfile.open(file, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _images(names: list[str]) -> Iterator[tuple[str, bytes]]:
    for number, name in enumerate([*names, "Abyssinian_900"]):  # the last is in no list
        content = io.BytesIO()
        Image.fromarray(draw(number)[0]).save(content, "JPEG", quality=92)
        yield f"images/{name}.jpg", content.getvalue()

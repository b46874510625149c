"""Folders of pictures and their masks, paired by name.

images/street/01.jpg with masks/street/01.png, or street/01.jpg beside street/01_mask.png: row `street/01`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self
from unicodedata import normalize

from evergreen.adapters.files.decoding import reading
from evergreen.adapters.files.find import Files, find_of
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.core.intake import NOTHING, LeftOut, LeftOutReason
from evergreen.data.row_fields import ROW_NAME, check_columns

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 256
_BATCH_BYTES = 16 << 20
_EXAMPLES = 3


@dataclass(frozen=True)
class PictureFolders:
    """Pictures, and the masks of those that have one, in the same order; `has_mask` tells which do."""

    pictures: Files
    masks: Files
    has_mask: tuple[bool, ...]
    left_out: LeftOut = NOTHING
    whole: bool = False
    format: Literal["image_folders"] = "image_folders"

    @property
    def rows(self) -> int:
        """One a picture."""
        return len(self.pictures.files)

    @property
    def names(self) -> list[str]:
        """Those of the pictures, in order."""
        return self.pictures.names

    def parts(self, sizes: Sequence[int]) -> Iterator[Self]:
        """So many of the pictures at a time with their masks, in order."""
        done = 0
        for pictures, first, size in zip(self.pictures.parts(sizes), accumulate(sizes, initial=0), sizes, strict=False):
            has_mask = self.has_mask[first : first + size]
            masks = self.masks.of(self.masks.files[done : done + sum(has_mask)])
            done += sum(has_mask)
            yield replace(self, pictures=pictures, masks=masks, has_mask=has_mask, left_out=NOTHING)

    def checksums(self) -> Iterator[tuple[str, str, int]]:
        """Name, checksum and bytes of each file; masks are told apart from pictures of the same name."""
        yield from self.pictures.checksums()
        for name, checksum, size in self.masks.checksums():
            yield f"mask:{name}", checksum, size

    def batches(self, settings: FilesSettings) -> Iterator[pa.RecordBatch]:
        """The rows, each named for a person to find."""
        return read_pictures(self, settings)

    def opened(self) -> Iterator[tuple[str, Path, Path | None]]:
        """Each picture's name, and where it and its mask can be read until the next is asked for."""
        masks = self.masks.opened()
        for (name, file), has_mask in zip(self.pictures.opened(), self.has_mask, strict=True):
            yield name, file, next(masks)[1] if has_mask else None


def find_pictures(path: str, masks: str | None, suffix: str) -> PictureFolders:
    """The pictures that `path` means, each with the mask whose name is its own and `suffix`, whatever its extension.

    Masks are looked for in `masks`, or beside the pictures where it is None. A picture without a mask is a row without
    one, which validation tells; a mask without a picture is left out.

    Raises:
        InputError: nothing there, no picture with a mask, or two files of one name.
        EvergreenError: Cloud Storage does not answer.
    """
    files = find_of(path, "image_folders")
    left_out = files.left_out
    if masks is None:
        are_masks = [file.stem.endswith(suffix) for file in files.files]
        pictures = files.of([file for file, is_mask in zip(files.files, are_masks, strict=True) if not is_mask])
        others = files.of([file for file, is_mask in zip(files.files, are_masks, strict=True) if is_mask])
    else:
        pictures, others = _apart(files, find_of(masks, "image_folders", "source.masks"))
        left_out = pictures.left_out + others.left_out
    by_stem = _by_stem(others, "masks")
    stems = [normalize("NFC", f"{stem}{suffix}") for stem in _by_stem(pictures, "pictures")]
    has_mask = tuple(stem in by_stem for stem in stems)
    if not any(has_mask):
        looked = ", ".join(f"{stem}.*" for stem in stems[:_EXAMPLES])
        raise InputError(
            f"no picture in '{path}' has a mask in '{masks or path}' (looked for {looked or 'pictures in vain'}); "
            "set source.masks to the masks' folder and source.mask_suffix to what their names have behind the pictures'"
        )
    paired = others.of([by_stem[stem] for stem in stems if stem in by_stem])
    alone = set(others.files).difference(paired.files)
    names = (others.name(file) for file in others.files if file in alone)
    left_out += LeftOut.of((LeftOutReason.UNPAIRED_MASK, name) for name in names)
    return PictureFolders(pictures, paired, has_mask, left_out)


def _apart(pictures: Files, masks: Files) -> tuple[Files, Files]:
    """Both, where the folder of one lies within the other's without what both have seen: that is of the inner one."""
    place, others = (f"{folder.store.place(folder.root)}/" for folder in (pictures, masks))
    is_inner = place.startswith(others)
    if place == others:  # the narrower pattern
        is_inner = len(pictures.files) + len(pictures.beside) < len(masks.files) + len(masks.beside)
    return (pictures, masks.without(pictures)) if is_inner else (pictures.without(masks), masks)


def read_pictures(folders: PictureFolders, settings: FilesSettings) -> Iterator[pa.RecordBatch]:
    """Batches of `image`, `mask` (null where there is none) and the row's name, and `split` where it is mapped.

    A picture's split is the first folder below the path: `train/01.jpg`.

    Raises:
        InputError: a mapped column other than these, or a file that cannot be read.
    """
    import pyarrow as pa

    check_columns(settings, ["image", "mask", "split"], "folders of pictures")
    types = {"image": pa.binary(), "mask": pa.binary(), "split": pa.string(), ROW_NAME: pa.string()}
    held: list[tuple[bytes, bytes | None, str, str]] = []
    size = 0
    for name, file, mask in folders.opened():
        with reading(file, name):
            image = file.read_bytes()
        with reading(mask or file, f"the mask of {name}"):
            content = mask.read_bytes() if mask else None
        held.append((image, content, name.split("/", 1)[0], name.removesuffix(file.suffix)))
        size += len(image) + len(content or b"")
        if len(held) == _BATCH_ROWS or size >= _BATCH_BYTES:
            yield _batch(held, types)
            held, size = [], 0
    if held:
        yield _batch(held, types)


def _batch(rows: list[tuple[bytes, bytes | None, str, str]], types: dict[str, pa.DataType]) -> pa.RecordBatch:
    import pyarrow as pa

    columns = zip(zip(*rows, strict=True), types.values(), strict=True)
    return pa.RecordBatch.from_arrays([pa.array(values, kind) for values, kind in columns], list(types))


def _by_stem(listing: Files, what: str) -> dict[str, Path]:
    """Files by name without extension, in order, in one spelling of accents. Raises InputError where two share one."""
    by_stem: dict[str, Path] = {}
    for file in listing.files:
        stem = normalize("NFC", listing.name(file).removesuffix(file.suffix))
        if stem in by_stem:
            raise InputError(
                f"two {what} are named alike, {listing.name(by_stem[stem])} and {listing.name(file)}; "
                "rename one, or keep one alone"
            )
        by_stem[stem] = file
    return by_stem

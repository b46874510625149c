"""Pictures and masks out of a source's columns, whatever they are stored as: encoded bytes, PNG or JPEG.

`image: struct<bytes: binary, path: string>` (as the Hub's data sets have them), views and dictionaries → `binary`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from evergreen.core.errors import InputError
from evergreen.data.pictures import (
    UNLISTED,
    PictureError,
    Pixels,
    decode_picture,
    encode_png,
    mask_values,
)

if TYPE_CHECKING:
    import pyarrow as pa

_KEPT = {b"\x89PN", b"\xff\xd8\xff"}
"""How PNG and JPEG begin."""


def picture_bytes(column: pa.Array, source: str, *, is_mask: bool, rows: pa.Array | None = None) -> pa.Array:
    """The pictures of a column as binary; `rows` names them.

    PNG and JPEG are kept byte by byte, other formats that are read become PNG of the same pixels, and what cannot be
    read stays as it is: validation names it.

    Raises:
        InputError: the column holds something else than bytes, or only says where a picture's file is.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = _bytes_of(column, source, rows)
    starts = pc.binary_slice(encoded, 0, 3)
    kept = pc.or_kleene(pc.is_null(starts), pc.is_in(starts, pa.array(sorted(_KEPT), pa.binary())))
    if pc.all(kept).as_py():
        return encoded
    converted = _mask_as_png if is_mask else _picture_as_png
    return _replaced(encoded, lambda content: content if content[:3] in _KEPT else converted(content))


def reclassed(masks: pa.Array, classes: Mapping[int, int]) -> pa.Array:
    """The masks with each pixel's value replaced by its class index, UNLISTED where there is none, as PNG again.

    A mask keeps which values it had that are not listed. What is no mask of one channel stays as it is: validation
    names it.
    """
    table = np.full(256, UNLISTED, dtype=np.uint8)
    for value, index in classes.items():
        table[value] = index
    return _replaced(masks, lambda mask: _reclassed(mask, table, classes))


def _bytes_of(column: pa.Array, source: str, rows: pa.Array | None) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        encoded = pc.struct_field(column, "bytes")
        if column.type.get_field_index("path") >= 0:
            _check_not_only_named(encoded, pc.struct_field(column, "path"), source, rows)
        return _bytes_of(encoded, source, rows)
    kinds = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    if any(holds(column.type) for holds in (*kinds, pa.types.is_null)):
        return column.cast(pa.binary())
    raise InputError(
        f"column '{source}' holds {column.type}, not the bytes of encoded pictures; map another column, or read "
        "Parquet, TFRecord or folders of pictures"
    )


def _check_not_only_named(encoded: pa.Array, paths: pa.Array, source: str, rows: pa.Array | None) -> None:
    import pyarrow.compute as pc

    named = pc.and_(pc.is_null(encoded), pc.is_valid(paths))
    if pc.any(named).as_py():
        first = pc.index(named, True).as_py()
        row = "" if rows is None else f" of row {rows[first]}"
        raise InputError(
            f"column '{source}'{row} only names the file {str(paths[first])!r:.200}, its bytes are not there; "
            "write the bytes of the pictures into it, or read folders of pictures"
        )


def _replaced(pictures: pa.Array, replacement: Callable[[bytes], bytes]) -> pa.Array:
    import pyarrow as pa

    return pa.array(
        [None if picture is None else replacement(picture) for picture in pictures.to_pylist()], pa.binary()
    )


def _picture_as_png(encoded: bytes) -> bytes:
    try:
        return encode_png(decode_picture(encoded))
    except PictureError:
        return encoded


def _mask_as_png(encoded: bytes) -> bytes:
    try:
        values = mask_values(encoded)
    except PictureError:
        return encoded
    return encoded if values is None else encode_png(values)


def _reclassed(mask: bytes, table: Pixels, classes: Mapping[int, int]) -> bytes:
    try:
        values = mask_values(mask)
    except PictureError:
        return mask
    if values is None:
        return mask
    pixels = np.bincount(values.ravel(), minlength=256)
    unlisted = {int(value): int(pixels[value]) for value in np.flatnonzero(pixels) if value not in classes}
    return encode_png(table[values], unlisted)

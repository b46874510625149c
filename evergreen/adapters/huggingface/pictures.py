"""The pictures that a data set only names the files of, as bytes: of its own files, and of no others.

{"bytes": null, "path": "hf://datasets/our-lab/pets@12040ac/images/1.jpg"}  →  {"bytes": b"…", "path": "1.jpg"}
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from evergreen.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_ARCHIVES = ("zip", "tar", "gzip", "bz2", "xz", "lz4", "zstd")


def with_bytes(table: pa.Table, name: str, token: str | None) -> pa.Table:
    """The table with the bytes of the pictures of data set `name`, a Hub name or a folder.

    Raises:
        InputError: it names a file that is no part of the data set.
    """
    from datasets.table import embed_table_storage

    pictures = [field.name for field in table.schema if _has_paths(field.type)]
    for column in pictures:
        _check_own(table[column], column, name)
    if not pictures:
        return table
    whole = embed_table_storage(table.select(pictures), token_per_repo_id={name: token})
    for column in pictures:
        table = table.set_column(table.column_names.index(column), column, whole[column])
    return table


def is_own(path: str, name: str) -> bool:
    """Whether a path, perhaps into an archive (`zip://1.png::…`), is that of a file of the data set `name`."""
    from huggingface_hub import constants

    *inner, outer = path.split("::")
    if any(hop.partition("://")[0] not in _ARCHIVES or "://" not in hop for hop in inner):
        return False
    if ".." in PurePosixPath(outer.replace(os.sep, "/")).parts:
        return False
    if Path(name).is_dir():
        kinds = (os.path.abspath, os.path.realpath)
        return "://" not in outer and any(Path(kind(outer)).is_relative_to(kind(name)) for kind in kinds)
    return outer.startswith((f"hf://datasets/{name}@", f"{constants.ENDPOINT}/datasets/{name}/resolve/"))


def _has_paths(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_struct(kind) and {field.name for field in kind} == {"bytes", "path"}


def _check_own(column: pa.ChunkedArray, source: str, name: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded, paths = (pc.struct_field(column, field) for field in ("bytes", "path"))
    for path in paths.filter(pc.and_(pc.is_null(encoded), pc.is_valid(paths))).cast(pa.string()).to_pylist():
        if not is_own(path, name):
            raise InputError(
                f"column '{source}' only names the file {path!r:.200}, which is no part of data set '{name}', and its "
                "bytes are not there; write the bytes of the pictures into it"
            )

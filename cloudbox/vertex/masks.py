"""Field masks of update requests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from cloudbox.errors import invalid
from cloudbox.fields.guard import check_unchanged
from cloudbox.rpc import raw
from cloudbox.vertex.store import copy_of


def apply_mask(target: Any, source: Any, paths: Iterable[str], allowed: Iterable[str]) -> None:
    """Copy the named fields of `source` to `target`, proto-plus messages of one type; `allowed` are top-level fields.

    Raises:
        ApiError: INVALID_ARGUMENT for an empty mask, for a path that may not be updated, and for what is immutable.
    """
    before = raw(copy_of(target))
    names = [re.sub(r"[A-Z]", lambda letter: f"_{letter.group().lower()}", path) for path in paths]
    allowed = tuple(allowed)
    if not names:
        raise invalid(f"update_mask is empty; name one of {', '.join(allowed)}.")
    for name in names:
        field = name.partition(".")[0]
        if field not in allowed:
            raise invalid(f"update_mask path `{name}` cannot be updated; allowed: {', '.join(allowed)}.")
    try:
        FieldMask(paths=names).MergeMessage(
            raw(source), raw(target), replace_message_field=True, replace_repeated_field=True
        )
    except ValueError as error:
        raise invalid(f"Invalid update_mask: {error}") from error
    check_unchanged(before, raw(target))

"""Field masks of update requests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from cloudbox.errors import invalid


def apply_mask(target: Any, source: Any, paths: Iterable[str], allowed: Iterable[str]) -> None:
    """Copy the named top-level fields of `source` to `target`, proto-plus messages of one type.

    Raises:
        ApiError: INVALID_ARGUMENT for an empty mask and for a path that may not be updated.
    """
    names = [re.sub(r"[A-Z]", lambda letter: f"_{letter.group().lower()}", path) for path in paths]
    allowed = tuple(allowed)
    if not names:
        raise invalid(f"update_mask is empty; name one of {', '.join(allowed)}.")
    for name in names:
        field = name.partition(".")[0]
        if field not in allowed:
            raise invalid(f"update_mask path `{name}` cannot be updated; allowed: {', '.join(allowed)}.")
        setattr(target, field, getattr(source, field))

"""Generated inputs: how many, and what became of those at a source."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

from evergreen.core.errors import InputError

Rows = list[dict[str, Any]]


def few() -> settings:
    """Three examples for ten of other properties: for one that takes milliseconds an example."""
    return settings(max_examples=max(1, settings().max_examples * 3 // 10))


def examples(share: float, in_ci: int) -> settings:
    """The same examples in each run: `in_ci` of them, or that share of `GENERATED_EXAMPLES`."""
    wanted = os.environ.get("GENERATED_EXAMPLES")
    return settings(
        max_examples=max(1, int(share * int(wanted))) if wanted else in_ci,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def outcome(read: Callable[[], Rows], file: Path, counts: Counter[str]) -> Rows | None:
    """The rows, or None where they are refused by an error that names the file; anything else fails the test."""
    rows, refused = _attempt(read)
    counts["read" if refused is None else "refused"] += 1
    assert refused is None or file.name in refused, f"the error names no file: {refused}"
    return rows


def _attempt(read: Callable[[], Rows]) -> tuple[Rows | None, str | None]:
    try:
        return read(), None
    except InputError as error:
        return None, str(error)

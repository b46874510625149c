"""What to do about rows that are too few, which differs between runs on all rows and on new ones."""

from __future__ import annotations

from collections.abc import Collection

from evergreen.core.artifacts import REPLAYED


def about_few(columns: Collection[str], otherwise: str) -> str:
    """Of rows with these columns: those of an incremental run become more by themselves, of others `otherwise`."""
    if REPLAYED not in columns:
        return otherwise
    return "wait for more new rows (a larger refresh.min_new_rows), or set a larger refresh.replay_share"

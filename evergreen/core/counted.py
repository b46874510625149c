"""Counts as sentences have them: `1 row`, `1,204 rows`, `2 labels are`."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """The number with its noun; the plural ends in s where no other is given."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def counted_are(count: int, noun: str, plural: str = "") -> str:
    """The same with the verb."""
    return f"{counted(count, noun, plural)} {'is' if count == 1 else 'are'}"

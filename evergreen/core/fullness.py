"""What a server, or the front before it, is full of, in words: both refuse alike.

128 requests are at work or waiting already; ask again in a second
"""

from __future__ import annotations

from evergreen.core.counted import counted_are

AGAIN = "ask again in a second"


def full_of(count: int, noun: str) -> str:
    """By their number."""
    return f"{counted_are(count, noun)} at work or waiting already"


def full_of_bytes(size: int) -> str:
    """By what the requests hold together."""
    return f"requests of {size:,} bytes together are at work or waiting already"

"""What a server, or the front before it, is full of, in words.

128 requests are at work or waiting already; ask again in a second
"""

from __future__ import annotations

from evergreen.core.counted import counted_are

AGAIN = "ask again in a second"


def full_of(count: int, noun: str) -> str:
    """By their number."""
    return f"{counted_are(count, noun)} at work or waiting already"


def full_of_bytes(size: int, beyond: int = 0) -> str:
    """By what the requests hold together, each `beyond` so many bytes that it has anyhow."""
    of_each = f" beyond {beyond:,} of each" if beyond else ""
    return f"requests of {size:,} bytes together{of_each} are at work or waiting already"

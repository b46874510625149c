"""How many cores one prediction uses."""

from __future__ import annotations


def use_threads(count: int) -> None:
    """Lets torch use so many threads for what the calling thread computes from now on; other threads keep theirs."""
    import torch

    if torch.get_num_threads() != count:
        torch.set_num_threads(count)

"""Which version answers next: smooth weighted round robin, so that 5 percent is every twentieth request, not luck.

Algorithm: https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1
"""

from __future__ import annotations

from collections.abc import Collection, Mapping


class SmoothSplit:
    """Deals requests to versions by `traffic` (percent by version); versions at 0 get none."""

    def __init__(self, traffic: Mapping[str, int]) -> None:
        self.traffic = {version: percent for version, percent in traffic.items() if percent > 0}
        self._credit = dict.fromkeys(self.traffic, 0)

    def next(self, available: Collection[str]) -> str | None:
        """The version for the next request among the `available` ones; None when none of them has traffic."""
        weights = {version: percent for version, percent in self.traffic.items() if version in available}
        if not weights:
            return None
        for version, percent in weights.items():
            self._credit[version] += percent
        chosen = max(weights, key=lambda version: self._credit[version])
        self._credit[chosen] -= sum(weights.values())
        return chosen

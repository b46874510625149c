"""Replicas for a share of the traffic, which a version has before it gets the share.

A platform adds replicas once load is there, minutes late. A newcomer with one of them that gets half of what four
answer is slow through no fault of its own, and its clients wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil

from evergreen.core.protocols import Endpoint


def replicas_for(percent: int, traffic: Mapping[str, int], replicas: Mapping[str, int]) -> int:
    """How many replicas this percent of the traffic takes: that part of those that serve all of it now, rounded up.

    `traffic` is the percent of each version, `replicas` how many of it are available, where that is known. Of a version
    with part of the traffic, `replicas / percent` says how many serve all; the least that one of them says counts, for
    none has too few for its share, while one may have more: never less than its least, and for a while more than it
    needs. 0 where nothing is known.
    """
    known = [
        Fraction(replicas[version], share) for version, share in traffic.items() if share and replicas.get(version)
    ]
    return ceil(percent * min(known, default=Fraction(0)))


class Room:
    """The replicas that a version needs for a percent of the traffic: counted at the first look, then asked for."""

    def __init__(self, endpoint: Endpoint, version: str, percent: int) -> None:
        self._endpoint = endpoint
        self._version = version
        self._percent = percent
        self._needed: int | None = None

    def is_there(self) -> bool:
        """Whether the version has them, which is asked again until it does, or nobody knows how many it takes.

        Raises:
            EndpointError: it does not get them.
        """
        if self._needed is None:
            status = self._endpoint.status()
            self._needed = replicas_for(self._percent, status.traffic, status.replicas)
        return not self._needed or self._endpoint.scale(self._version, self._needed)


def relax(endpoint: Endpoint) -> None:
    """Lets every version have as few replicas as configured again. Raises EndpointError where the host refuses."""
    for version in endpoint.status().replicas:
        endpoint.scale(version, None)

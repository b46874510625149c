"""Follows what containers of endpoints print, and hands entries to the sinks whose filter they pass.

Google's router sees an entry once, as it arrives: a sink gets nothing of what was printed before it was made.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx

from cloudbox.box import Box
from cloudbox.cloud_logging.entries import Entry, Origin, entries_of
from cloudbox.cloud_logging.sinks import DESTINATION, Sinks, predicate_of
from cloudbox.cloud_logging.table import Dataset

log = logging.getLogger(__name__)

PERIOD_S = 0.3
MOST_BYTES = 16 * 1024 * 1024
QUIET_ROUNDS = 20
"""A container that is gone may have left a last word: its log is followed for some rounds more."""


@dataclass
class Followed:
    """One container's log, read up to `position`; `quiet` counts rounds without a container and a new line."""

    path: Path
    position: int = 0
    quiet: int = 0

    def lines(self) -> list[tuple[int, bytes]]:
        """The next whole lines, each with where it begins; `position` says which of them are read."""
        with self.path.open("rb") as file:
            file.seek(self.position)
            block = file.read(MOST_BYTES)
        lines, position = [], self.position
        for line in block.split(b"\n")[:-1]:
            lines.append((position, line))
            position += len(line) + 1
        return lines


class Router:
    """A thread that follows `running`, the containers there are, until it is closed."""

    def __init__(self, box: Box, sinks: Sinks, running: Callable[[], Iterable[tuple[Origin, Path]]]) -> None:
        self._sinks = sinks
        self._running = running
        self._dataset = Dataset(box, f"service-{box.project_number}@gcp-sa-logging.iam.gserviceaccount.com")
        self._followed: dict[Origin, Followed] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="log router", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def close(self) -> None:
        """Ends after the round under way."""
        self._closed.set()

    def _follow(self) -> None:
        while not self._closed.wait(PERIOD_S):
            try:
                self._round()
            except (OSError, httpx.HTTPError) as error:
                log.warning("entries wait for their table: %s", error)

    def _round(self) -> None:
        present = dict(self._running())
        for origin, path in present.items():
            self._followed.setdefault(origin, Followed(path))
        for origin, followed in list(self._followed.items()):
            lines = followed.lines() if followed.path.exists() else []
            self._route([entry for position, line in lines for entry in entries_of(line, position, origin)])
            followed.position += sum(len(line) + 1 for _, line in lines)
            followed.quiet = 0 if lines or origin in present else followed.quiet + 1
            if followed.quiet > QUIET_ROUNDS:
                del self._followed[origin]

    def _route(self, entries: list[Entry]) -> None:
        for sink in self._sinks.all() if entries else ():
            passes = predicate_of(sink.filter)
            wanted = [entry for entry in entries if passes(entry)]
            target = DESTINATION.fullmatch(sink.destination)
            if wanted and target and not sink.disabled:
                self._dataset.write(target[1], target[2], wanted)

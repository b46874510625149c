"""What a training has for MLflow, in order, in two files beside its checkpoints: a kill of either loses nothing.

mlflow.jsonl   {"at": 1714800000000, "step": 8, "metrics": {"train/loss": 0.71}}
               {"page": "learning_curves.html", "text": "<!doctype html>…"}
mlflow.json    {"run": "5f0c…", "sent": 1}
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from evergreen.core.base import Frozen

if TYPE_CHECKING:
    from mlflow import MlflowClient

ENTRIES_NAME = "mlflow.jsonl"
SENT_NAME = "mlflow.json"
MOST_POINTS = 500
"""MLflow takes 1,000 values at once."""


class Entry(Frozen):
    """One point of the curves, the parameters, or one page; `at` is when it was noted, in milliseconds since 1970.

    The time is part of what is sent, so that MLflow knows a point that arrives a second time.
    """

    at: int
    step: int = 0
    metrics: dict[str, float] = {}
    params: dict[str, str] = {}
    page: str | None = None
    text: str = ""

    def values(self) -> Iterator[Entry]:
        """The same in entries of one value, or itself where it is a page."""
        if self.page is not None:
            yield self
        for name, value in self.metrics.items():
            yield self.model_copy(update={"metrics": {name: value}})
        for name, text in self.params.items():
            yield self.model_copy(update={"params": {name: text}})


class Sent(Frozen):
    """How many entries which MLflow run holds."""

    run: str | None = None
    sent: int = 0


class Spool:
    """The entries of one training; one thread may add while another sends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries_file = folder / ENTRIES_NAME
        self._sent_file = folder / SENT_NAME
        self._lock = Lock()
        self._entries = self._read_entries()
        self._points = _points(self._entries)
        self._state = self._read_state()
        self._closed = False

    @property
    def run(self) -> str | None:
        """The MLflow run that the entries belong to; None before `belong_to`."""
        return self._state.run

    @property
    def pending(self) -> int:
        """Entries that MLflow does not hold yet."""
        with self._lock:
            return len(self._entries) - self._state.sent

    def belong_to(self, run: str) -> None:
        """Makes the entries those of an MLflow run: another one than before is sent all of them, old ones too."""
        if self._state.run != run:
            self._write_state(Sent(run=run))

    def forget_after(self, step: int | None) -> None:
        """Drops the pages and what was noted of later steps (None: of all), but for what the MLflow run holds.

        A training that goes on after `step` notes its own.
        """
        with self._lock:
            held, rest = self._entries[: self._state.sent], self._entries[self._state.sent :]
            kept = [
                entry for entry in rest if entry.params or (entry.metrics and step is not None and entry.step <= step)
            ]
            if len(kept) == len(rest):
                return
            self._entries = [*held, *kept]
            self._points = _points(self._entries)
            self._replace(self._entries_file, "".join(map(_line, self._entries)))

    def close(self) -> None:
        """Lets whoever still sends note nothing more: another spool of the folder may be opened."""
        with self._lock:
            self._closed = True

    @property
    def closed(self) -> bool:
        """Whether nothing more is sent."""
        return self._closed

    def add_point(self, metrics: Mapping[str, float], step: int) -> None:
        """Adds a point of the curves; values that are noted for the step are not added again, other ones are."""
        given = {name: float(value) for name, value in metrics.items()}
        new = {name: value for name, value in given.items() if self._points.get((step, name)) != value}
        if new:
            self._points |= {(step, name): value for name, value in new.items()}
            self._add(Entry(at=_now(), step=step, metrics=new))

    def add_params(self, params: Mapping[str, str]) -> None:
        """Adds parameters, unless the same are there."""
        if not any(entry.params == dict(params) for entry in self._entries):
            self._add(Entry(at=_now(), params=dict(params)))

    def add_page(self, name: str, text: str) -> None:
        """Adds an HTML page, to be an artifact by this name."""
        self._add(Entry(at=_now(), page=name, text=text))

    def send(self, client: MlflowClient) -> None:
        """Sends what is pending, in order, some at a time.

        Raises:
            Exception: whatever MLflow's client raises; what was sent before stays noted as sent.
        """
        while not self._closed and (part := self._next_part()):
            self._send(client, part)
            self._note_sent(len(part))

    def send_singly(self, client: MlflowClient, refuses: Callable[[Exception], bool]) -> list[Exception]:
        """Sends what `send` would send next a value at a time; gives the errors of those that MLflow refuses.

        Raises:
            Exception: whatever else MLflow's client raises; what was sent before stays noted as sent.
        """
        errors: list[Exception] = []
        for entry in self._next_part():
            for value in entry.values():
                try:
                    self._send(client, [value])
                except Exception as error:  # an artifact store raises what its library does
                    if not refuses(error):
                        raise
                    errors.append(error)
            self._note_sent(1)
        return errors

    def _next_part(self) -> list[Entry]:
        """The points up to the next page, or that page or those parameters alone."""
        with self._lock:
            pending = self._entries[self._state.sent :]
        part: list[Entry] = []
        values = 0
        for entry in pending:
            values += len(entry.metrics)
            if part and (not entry.metrics or values > MOST_POINTS):
                break
            part.append(entry)
            if not entry.metrics:
                break
        return part

    def _send(self, client: MlflowClient, part: list[Entry]) -> None:
        from mlflow.entities import Metric, Param

        first, run = part[0], self.run
        if run is None:
            raise ValueError("entries of no MLflow run are sent to none; call belong_to first")
        if first.page is not None:
            client.log_text(run, first.text, first.page)
            return
        metrics = [Metric(name, value, entry.at, entry.step) for entry in part for name, value in entry.metrics.items()]
        client.log_batch(run, metrics=metrics, params=[Param(*pair) for pair in first.params.items()])

    def _add(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)
            with self._entries_file.open("a", encoding="utf-8") as file:
                file.write(_line(entry))

    def _read_entries(self) -> list[Entry]:
        """The whole lines; what a kill left of a last one is cut off, or the next would be lost with it."""
        if not self._entries_file.is_file():
            return []
        content = self._entries_file.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self._entries_file, len(whole))
        return [Entry.model_validate_json(line) for line in whole.splitlines()]

    def _read_state(self) -> Sent:
        if not self._sent_file.is_file():
            return Sent()
        return Sent.model_validate(json.loads(self._sent_file.read_text(encoding="utf-8")))

    def _note_sent(self, entries: int) -> None:
        self._write_state(Sent(run=self._state.run, sent=self._state.sent + entries))

    def _write_state(self, state: Sent) -> None:
        with self._lock:
            if not self._closed:
                self._replace(self._sent_file, state.model_dump_json())
                self._state = state

    def _replace(self, file: Path, text: str) -> None:
        new = self._folder.with_suffix(".new")  # beside the folder: what is in it is copied, perhaps now
        new.write_text(text, encoding="utf-8")
        new.replace(file)


def _points(entries: list[Entry]) -> dict[tuple[int, str], float]:
    return {(entry.step, name): value for entry in entries for name, value in entry.metrics.items()}


def _line(entry: Entry) -> str:
    return entry.model_dump_json(exclude_defaults=True) + "\n"


def _now() -> int:
    return time.time_ns() // 1_000_000

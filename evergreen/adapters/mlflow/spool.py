"""What a training has for MLflow, in order, in two files beside its checkpoints: a kill of either loses nothing.

mlflow.jsonl   {"at": 1714800000000, "step": 8, "metrics": {"train/loss": 0.71}}
               {"page": "learning_curves.html", "text": "<!doctype html>…"}
mlflow.json    {"run": "5f0c…", "sent": 1}
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from evergreen.core.base import Frozen

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
        self._points = {(entry.step, name) for entry in self._entries for name in entry.metrics}
        self._state = self._read_state()

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

    def add_point(self, metrics: Mapping[str, float], step: int) -> None:
        """Adds a point of the curves; values that a killed attempt added for the step are not added again."""
        new = {name: float(value) for name, value in metrics.items() if (step, name) not in self._points}
        if new:
            self._points |= {(step, name) for name in new}
            self._add(Entry(at=_now(), step=step, metrics=new))

    def add_params(self, params: Mapping[str, str]) -> None:
        """Adds parameters, unless the same are there."""
        if not any(entry.params == dict(params) for entry in self._entries):
            self._add(Entry(at=_now(), params=dict(params)))

    def add_page(self, name: str, text: str) -> None:
        """Adds an HTML page, to be an artifact by this name."""
        self._add(Entry(at=_now(), page=name, text=text))

    def send(self, client: Any) -> None:
        """Sends what is pending, in order, some at a time.

        Raises:
            Exception: whatever MLflow's client raises; what was sent before stays noted as sent.
        """
        while part := self._next_part():
            self._send(client, part)
            self._write_state(Sent(run=self._state.run, sent=self._state.sent + len(part)))

    def skip(self) -> int:
        """Passes over the part that would be sent next, as MLflow refuses it; gives the entries in it."""
        part = self._next_part()
        self._write_state(Sent(run=self._state.run, sent=self._state.sent + len(part)))
        return len(part)

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

    def _send(self, client: Any, part: list[Entry]) -> None:
        from mlflow.entities import Metric, Param

        first = part[0]
        if first.page is not None:
            client.log_text(self.run, first.text, first.page)
            return
        metrics = [Metric(name, value, entry.at, entry.step) for entry in part for name, value in entry.metrics.items()]
        client.log_batch(self.run, metrics=metrics, params=[Param(*pair) for pair in first.params.items()])

    def _add(self, entry: Entry) -> None:
        line = entry.model_dump_json(exclude_defaults=True) + "\n"
        with self._lock:
            self._entries.append(entry)
            with self._entries_file.open("a", encoding="utf-8") as file:
                file.write(line)

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

    def _write_state(self, state: Sent) -> None:
        new = self._folder.with_suffix(".new")  # beside the folder: what is in it is copied, perhaps now
        new.write_text(state.model_dump_json(), encoding="utf-8")
        new.replace(self._sent_file)
        self._state = state


def _now() -> int:
    return time.time_ns() // 1_000_000

"""Request logs and references of invented numbers, for tests of monitoring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.observation import Observation
from evergreen.monitoring.making import write_reference
from evergreen.monitoring.reference import Reference
from evergreen.requestlog.reading import FolderLog
from evergreen.requestlog.record import Request, Row, line_of, row_of

VERSION, OTHER = "36df30fb3710", "99df30fb3799"
LABELS = ("business", "sport")
START = datetime(2026, 5, 4, tzinfo=UTC)
WINDOW = ResolvedWindow(start=START, end=START + timedelta(days=1))
KIND = "text_classification"


def observations(count: int, seed: int, *, tokens: float = 50.0, of: float = 0.0) -> list[Observation]:
    """Of texts of about so many tokens; `of` moves the first number of their embeddings."""
    draw = np.random.default_rng(seed)
    seen = []
    for _ in range(count):
        share = float(draw.uniform(0.6, 1.0))
        place = int(draw.integers(2))
        probabilities = (share, 1 - share) if place == 0 else (1 - share, share)
        embedding = draw.normal(0, 1, 32)
        embedding[0] += of
        features = {"tokens": float(round(draw.normal(tokens, 10))), "unknown_share": float(draw.uniform(0, 0.1))}
        seen.append(Observation(features, LABELS[place], share, probabilities, (), tuple(embedding.tolist())))
    return seen


def reference(path: Path, count: int = 600, seed: int = 1, **changes: Any) -> Reference:
    path.mkdir()
    rows = []
    for number, seen in enumerate(observations(count, seed)):
        row = row_of(number, seen)
        beside = {"label": seen.prediction, "example": f"row {number}"}
        rows.append({**row, "features": list(row["features"].items()), **beside})
    made = {"kind": KIND, "labels": LABELS, "engine": "torch", "version": VERSION, **changes}
    return write_reference(path, rows, **made)


def log(path: Path, *parts: Sequence[Observation], version: str = VERSION, **changes: Any) -> FolderLog:
    """One instance a request, over the day in the order given; a part after another adds to what is there."""
    path.mkdir(exist_ok=True)
    seen = [one for part in parts for one in part]
    lines = [line_of("news", *asked) for asked in _requests(seen, version, changes)]
    (path / f"{version}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return FolderLog(path)


def trace(number: int, version: str = VERSION) -> str:
    """The trace id of a request by its number."""
    return f"{version}{number:020x}"


def _requests(
    seen: Sequence[Observation], version: str, changes: dict[str, Any]
) -> Iterator[tuple[Request, list[Row]]]:
    spacing = WINDOW.end.timestamp() - WINDOW.start.timestamp()
    for number, one in enumerate(seen):
        time = START.timestamp() + spacing * number / len(seen)
        asked = {"engine": "torch", "status": 200, "latency_ms": 5.0, **changes}
        yield Request(time, version, trace(number, version), **asked), [row_of(0, one)]

"""Rows that both versions of a rollout are asked where clients ask nothing: what they come to, measured by who asks.

Replay(rows=examples, origin="3 kept test rows")  ->  [Minute(start=…, newcomer=Arm(requests=120, …), champion=…)]
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.judge.evidence import LATENCY_BUCKETS, Arm, Minute, bucket_of

MINUTE_S = 60.0
MOST_S = 60.0
"""For how long it is asked. A host that starts a machine for a question to one version answers few by then."""
LOOK_EVERY = 50
"""Passes of one row after which it is looked whether that is enough."""
LABEL = "label"
"""Where an answer holds its class."""
Ask = Callable[[Sequence[Any], str], Sequence[dict[str, Any]]]


@dataclass(frozen=True)
class Replay:
    """The `rows` to be asked, and where they come from, in words."""

    rows: Sequence[Any]
    origin: str


@dataclass
class _Counted:
    """One version's answers in one minute."""

    requests: int = 0
    errors: int = 0
    buckets: Counter[int] = field(default_factory=Counter)
    predictions: Counter[str] = field(default_factory=Counter)

    def arm(self) -> Arm:
        """The same as a value."""
        latencies = tuple(self.buckets[bucket] for bucket in range(LATENCY_BUCKETS)) if self.buckets else ()
        return Arm(requests=self.requests, errors=self.errors, latencies=latencies, predictions=dict(self.predictions))


def replayed(
    ask: Ask, replay: Replay, newcomer: str, champion: str, is_enough: Callable[[Sequence[Minute]], bool]
) -> list[Minute]:
    """The minutes in which `ask` put the rows to both versions in turn, until that is enough or MOST_S are over.

    A row that is asked again says no more of the classes: only its first answer of each version counts there.
    """
    minutes: dict[int, dict[str, _Counted]] = {}
    until = time.monotonic() + MOST_S
    for number, row in enumerate(_again_and_again(replay.rows)):
        first = number < len(replay.rows)
        pair = (champion, newcomer) if number % 2 else (newcomer, champion)  # neither is always asked after the other
        counted = minutes.setdefault(int(time.time() // MINUTE_S), {newcomer: _Counted(), champion: _Counted()})
        for version in pair:
            _ask(ask, row, version, counted[version], first)
            if time.monotonic() > until:
                return _closed(minutes, newcomer, champion)
        if number % LOOK_EVERY == LOOK_EVERY - 1 and is_enough(_closed(minutes, newcomer, champion)):
            break
    return _closed(minutes, newcomer, champion)


def _again_and_again(rows: Sequence[Any]) -> Iterator[Any]:
    while rows:
        yield from rows


def _ask(ask: Ask, row: Any, version: str, counted: _Counted, first: bool) -> None:
    began = time.perf_counter()
    counted.requests += 1
    try:
        (answer,) = ask([row], version)
    except InputError:  # the row is at fault, for either version
        return
    except (EvergreenError, ValueError):  # nothing answers, or not with one prediction
        counted.errors += 1
        return
    counted.buckets[bucket_of((time.perf_counter() - began) * 1000)] += 1
    if first and isinstance(label := answer.get(LABEL), str):
        counted.predictions[label] += 1


def _closed(minutes: dict[int, dict[str, _Counted]], newcomer: str, champion: str) -> list[Minute]:
    return [
        Minute(
            start=datetime.fromtimestamp(minute * MINUTE_S, UTC),
            newcomer=counted[newcomer].arm(),
            champion=counted[champion].arm(),
        )
        for minute, counted in sorted(minutes.items())
    ]

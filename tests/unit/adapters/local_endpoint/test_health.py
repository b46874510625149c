import asyncio
from dataclasses import dataclass, field

import pytest

from evergreen.adapters.local_endpoint.health import BUSY_S, PROBE_S, STILL_S, Answer, Health


@dataclass
class Process:
    """Answers its questions as written down, each within the seconds beside it, and works at a steady pace."""

    script: list[tuple[Answer, float]]
    works: float = 0.0
    now: float = 0.0
    worked: float = 1.0
    seen: list[bool | None] = field(default_factory=list)

    def health(self) -> Health:
        return Health(self._answer, lambda: self.worked, lambda: self.now)

    async def _answer(self, _: float) -> Answer:
        answer, seconds = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        self._pass(seconds)
        return answer

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        self.worked += seconds * self.works

    async def watch(self, health: Health, checks: int) -> None:
        for _ in range(checks):
            if health.hangs:
                return
            self._pass(health.pause_s)
            self.seen.append(await health.check())


SILENT = (Answer.NONE, PROBE_S)
WELL = (Answer.WELL, 0.001)


@pytest.mark.parametrize(
    ("process", "ended_within_s"),
    [
        (Process([WELL]), None),
        (Process([SILENT]), STILL_S + 3.0),
        (Process([SILENT], works=0.5), BUSY_S + 3.0),
        (Process([(Answer.SHUT, 0.001)]), BUSY_S + 1.0),
        (Process([(Answer.NONE, PROBE_S + 0.3)]), None),  # the front itself was kept waiting, time and again
        (Process([SILENT, SILENT, WELL]), None),
        (Process([(Answer.NONE, PROBE_S + 5.0), (Answer.NONE, PROBE_S + 0.3), SILENT]), STILL_S + 12.0),
    ],
)
def test_only_a_process_that_is_silent_by_itself_hangs(process: Process, ended_within_s: float | None) -> None:
    health = process.health()
    asyncio.run(process.watch(health, 200))
    assert health.hangs == (ended_within_s is not None)
    if ended_within_s is not None:
        assert process.now <= ended_within_s


def test_a_question_that_the_front_delayed_says_nothing_and_is_asked_again_at_once() -> None:
    process = Process([(Answer.NONE, PROBE_S + 1.0), WELL])
    health = process.health()
    asyncio.run(process.watch(health, 1))
    assert (process.seen, health.silent_s, health.pause_s) == ([None], 0.0, 0.0)
    asyncio.run(process.watch(health, 1))
    assert process.seen == [None, True]


def test_a_process_that_worked_within_its_silence_does_not_stand_still() -> None:
    process = Process([SILENT], works=0.5)
    health = process.health()
    asyncio.run(process.watch(health, 2))
    process.works = 0.0
    asyncio.run(process.watch(health, 3))
    assert health.silent_s > STILL_S
    assert not health.hangs


def test_a_check_that_is_asked_for_at_once_counts_no_pause() -> None:
    process = Process([SILENT])
    health = process.health()
    asyncio.run(health.check())
    assert health.silent_s == PROBE_S

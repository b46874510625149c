"""What the benchmark of servers makes of what it saw."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from bench.contestants import wait_changed_over
from bench.heard import Heard
from bench.load import Load, Seen, find_wrk, write_bodies
from bench.report import print_result
from bench.serving import LIMITS, Measured, note_start, note_text_ratios
from evergreen.core.errors import EvergreenError, InputError
from evergreen.serving.engine_plan import COMPARED_FIRST


def seen(per_second: float, p99_s: float = 1.0) -> Seen:
    return Seen(per_second, p99_s / 2, p99_s, 0)


def measured() -> Measured:
    """Two rounds, in the second of which ours does worse."""
    given = Measured()
    speeds = {"evergreen": (60, 50), "tutorial": (10, 10), "litserve": (25, 25), "mlflow": (20, 20)}
    for situation, share in (("16 clients", 1.0), ("1 clients", 1.0), ("beside burners", 0.5)):
        for server, rounds in speeds.items():
            for speed in rounds:
                given.note("minilm", situation, server, seen(speed * share, 2.0 if server == "litserve" else 1.0))
    note_text_ratios(given, "minilm")
    return given


def test_each_ratio_is_that_of_the_round_where_ours_does_worst() -> None:
    ratios = measured().ratios
    assert ratios["minilm, 16 clients, over the tutorial"] == 5
    assert ratios["minilm, 1 client, over LitServe"] == 2
    assert ratios["minilm, 16 clients, p99 of LitServe over ours"] == 2
    assert ratios["minilm, beside burners, over itself alone"] == 0.5
    assert ratios["minilm, beside burners, over the tutorial there"] == 5


def test_limits_name_ratios_and_one_that_is_missed_is_told() -> None:
    ratios = measured().ratios
    elsewhere = ("start to ready", "memory")
    texts = {name for name in LIMITS if name.startswith("minilm") and not any(other in name for other in elsewhere)}
    assert texts <= set(ratios)
    assert print_result("serving", ratios, {"minilm, 1 client, over LitServe": 3.0}, as_json=False) == 1


def test_a_rival_that_was_not_there_is_in_no_ratio() -> None:
    given = Measured()
    for server in ("evergreen", "tutorial"):
        for situation in ("16 clients", "1 clients", "beside burners"):
            given.note("minilm", situation, server, seen(10))
    note_text_ratios(given, "minilm")
    assert not [name for name in given.ratios if "LitServe" in name or "MLflow" in name]
    assert math.isnan(given.speed("minilm", ("16 clients", "evergreen"), ("16 clients", "litserve")))


class Started:
    """A server whose memory grows by its answers, and is told once it compares nothing any more."""

    def __init__(self, log: Path, mib: float, ready_s: float) -> None:
        self.log, self.mib, self.ready_s = log, mib, ready_s
        self.answered: list[bytes] = []

    def __enter__(self) -> Self:
        self.log.write_text(line("onnx-int8-u8s8", "it agrees with the other here"))
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def answer(self, bodies: Sequence[bytes]) -> None:
        self.answered += bodies

    def memory_mib(self) -> float:
        return self.mib + len(self.answered)


class Contestants:
    """Of which the second start of ours takes more, and one that changed over takes most."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Started] = []

    def evergreen(self, environment: dict[str, str]) -> Started:
        sizes = {"torch": (498.0, 498.0), "": (98.0, 118.0)}[environment.get("EVERGREEN_ENGINE", "")]
        return self._start(sizes, 5.0 if environment else 1.0)

    def elsewhere(self) -> Started:
        return self._start((198.0, 238.0), 2.0)

    def few(self) -> list[bytes]:
        return [b"a", b"b"]

    def _start(self, sizes: tuple[float, float], ready_s: float) -> Started:
        self.started.append(Started(self.folder / "log", sizes[len(self.started) // 3], ready_s))
        return self.started[-1]


def line(engine: str, reason: str) -> str:
    return json.dumps({"severity": "INFO", "event": "engine", "engine": engine, "reason": reason}) + "\n"


def test_memory_is_read_once_every_server_has_answered_the_same_and_changed_over(tmp_path: Path) -> None:
    given, contestants = Measured(), Contestants(tmp_path)
    note_start(given, "minilm", contestants, 2)  # type: ignore[arg-type]
    assert given.ratios["minilm, memory, torch's over ours"] == 500 / 240
    assert given.ratios["minilm, start to ready, torch's over ours"] == 5.0
    assert [server.answered for server in contestants.started] == [[b"a", b"b"]] * 6


def test_a_server_that_compares_engines_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "log"
    begins = line("onnx-fp32", f"int8 was judged on another, this is avx2: {COMPARED_FIRST}")
    log.write_text(begins)
    with pytest.raises(EvergreenError, match=r"engines are still compared after 0 s"):
        wait_changed_over(log, within_s=0)
    failed: dict[str, Any] = {"severity": "WARNING", "event": "engine failed", "engine": "int8", "error": "damaged"}
    for ends in (line("onnx-int8", "it agrees with the other here, and is no slower"), json.dumps(failed) + "\n"):
        log.write_text(f"plain text\n{begins}{ends}")
        wait_changed_over(log, within_s=0)
    log.write_text("")
    wait_changed_over(log, within_s=0)


def test_a_load_generator_that_is_nowhere_is_told() -> None:
    with pytest.raises(InputError, match="apt-get install wrk"):
        find_wrk("no-such-program")


def test_bodies_are_requests_of_one_instance_and_each_server_gets_those_that_it_reads(tmp_path: Path) -> None:
    ours = write_bodies(tmp_path / "a", [{"text": "a"}, {"text": "b"}])
    assert ours.read_text().splitlines() == ['{"instances": [{"text": "a"}]}', '{"instances": [{"text": "b"}]}']
    theirs = write_bodies(tmp_path / "b", [{"text": "a"}], "inputs")
    load = Load("wrk", 1.0, ours)
    assert load.of(None).bodies == ours
    assert load.of(theirs).bodies == theirs


def test_an_answer_is_one_a_refusal_or_a_failure() -> None:
    heard = Heard()
    for status in (200, 429, 503, 500, 0):
        heard.note(status, 0.1)
    assert (len(heard.answered), len(heard.refused), heard.failed) == (1, 2, 2)

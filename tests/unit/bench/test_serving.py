"""What the benchmark of servers makes of what it saw."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench.load import Load, Seen, find_wrk, write_bodies
from bench.report import print_result
from bench.serving import LIMITS, Measured, note_text_ratios
from bench.soak import Heard
from evergreen.core.errors import InputError


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

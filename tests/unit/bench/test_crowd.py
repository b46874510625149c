"""Crowds of clients: an endpoint that is dead, or mute, is no endpoint that refuses well."""

from __future__ import annotations

import asyncio
import socket

import pytest

from bench import crowd
from bench.goodput import LIMITS, Seen, ratios
from bench.report import print_result

FEW: Seen = {"answered": 700, "refused": 0, "failed": 0, "waiting": 64, "answered_p99_s": 1.9, "refused_p99_s": 0.0}
MANY: Seen = {
    "answered": 690,
    "refused": 9000,
    "failed": 0,
    "waiting": 128,
    "answered_p99_s": 3.9,
    "refused_p99_s": 0.08,
}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "WARM_UP_S", 0.0)


def test_clients_that_find_no_server_have_failed_and_try_again() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and does not listen
        seen = asyncio.run(crowd.crowd(held.getsockname()[1], 8, 0.2, b"{}"))
    assert seen["failed"] > 8
    assert (seen["answered"], seen["refused"], seen["waiting"]) == (0, 0, 0)


def test_clients_that_are_never_answered_are_counted_as_waiting() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=32) as mute:
        seen = asyncio.run(crowd.crowd(mute.getsockname()[1], 8, 0.3, b"{}"))
    assert (seen["answered"], seen["refused"], seen["failed"], seen["waiting"]) == (0, 0, 0, 8)


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"failed": 1}, False),
        ({"refused": 0, "refused_p99_s": 0.0}, False),
        ({"waiting": 129}, False),
        ({"refused_p99_s": 0.2}, False),
        ({"answered": 300}, False),
    ],
    ids=str,
)
def test_goodput_holds_where_whoever_has_no_room_is_refused(change: Seen, holds: bool) -> None:
    rounds = [(FEW, {**MANY, **change})] * 3
    assert print_result("goodput", ratios(rounds), LIMITS, as_json=False) == (0 if holds else 1)


def test_a_dead_endpoint_reaches_no_limit() -> None:
    dead: Seen = {**dict.fromkeys(FEW, 0.0), "failed": 40}
    reached = ratios([(dead, dead)])
    assert [name for name, limit in LIMITS.items() if reached[name] >= limit] == []

"""Which worker answers next."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.adapters.local_endpoint.answers import OverloadedError, RefusedError
from evergreen.adapters.local_endpoint.fleet import DealtSplit, Fleet
from evergreen.adapters.local_endpoint.state import EndpointFiles, EndpointState
from evergreen.adapters.local_endpoint.worker import Worker
from evergreen.core.limits import MAX_WAITING, MAX_WAITING_BYTES
from tests.endpoint_states import endpoint_state

Chosen = str | int | None
"""A version, the status of a refusal, or None to wait."""
CUTS = st.lists(st.integers(min_value=0, max_value=100), max_size=4).map(lambda cuts: sorted([0, *cuts, 100]))
SPLITS = CUTS.map(lambda cuts: {f"v{i}": high - low for i, (low, high) in enumerate(itertools.pairwise(cuts))})


class At(Worker):
    """A worker in the state that a test puts it in; no process belongs to it."""

    def __init__(self, version: str, state: str) -> None:
        self.version = version
        self.in_flight = {"full": MAX_WAITING, "heavy": 1}.get(state, 0)
        self.ready = state in ("ready", "full", "heavy")
        self.code = ""
        self._bytes = MAX_WAITING_BYTES if state == "heavy" else 0
        self._failure = "ended" if state == "failed" else None
        self._next_start = asyncio.get_running_loop().time() + 7


@pytest.mark.parametrize(
    ("states", "traffic", "wanted", "chosen"),
    [
        ({"a": "ready"}, {"a": 100}, None, "a"),
        ({"a": "starting", "b": "ready"}, {"a": 90, "b": 10}, None, "b"),
        ({"a": "failed", "b": "ready"}, {"a": 90, "b": 10}, None, "b"),
        ({"a": "starting"}, {"a": 100}, None, None),
        ({"a": "failed", "b": "starting"}, {"a": 90, "b": 10}, None, None),
        ({"a": "failed"}, {"a": 100}, None, 503),
        ({"a": "failed", "b": "ready"}, {"a": 100, "b": 0}, None, 503),  # it has not been trusted with traffic
        ({"a": "full"}, {"a": 100}, None, 429),
        ({"a": "ready"}, {}, None, 503),
        ({}, {}, None, 503),
        ({"a": "ready", "b": "ready"}, {"a": 100}, "b", "b"),
        ({"a": "ready", "b": "starting"}, {"a": 100}, "b", None),
        ({"a": "ready", "b": "full"}, {"a": 100}, "b", 429),
        ({"a": "ready"}, {"a": 100}, "c", 404),
    ],
)
def test_requests_go_to_what_is_ready_wait_for_what_comes_and_are_refused_where_nothing_will(
    tmp_path: Path, states: dict[str, str], traffic: dict[str, int], wanted: str | None, chosen: Chosen
) -> None:
    assert asyncio.run(choice(tmp_path, states, traffic, wanted)) == chosen


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("full", f"{MAX_WAITING} requests are at work or waiting already"),
        ("heavy", f"requests of {MAX_WAITING_BYTES:,} bytes together are at work or waiting already"),
    ],
)
def test_a_refusal_for_want_of_room_says_what_fills_the_worker(tmp_path: Path, state: str, said: str) -> None:
    with pytest.raises(OverloadedError, match=rf"^{said}; ask again in a second$"):
        asyncio.run(chosen_of(tmp_path, {"a": state}, {"a": 100}, None))


async def choice(path: Path, states: dict[str, str], traffic: dict[str, int], wanted: str | None) -> Chosen:
    try:
        return await chosen_of(path, states, traffic, wanted)
    except RefusedError as refusal:
        return refusal.status


async def chosen_of(path: Path, states: dict[str, str], traffic: dict[str, int], wanted: str | None) -> Chosen:
    state = endpoint_state(versions=tuple(states), traffic=traffic)
    fleet = Placed(EndpointFiles(path), state, cast("Any", None))
    fleet.places = states
    fleet.apply(state)
    worker = fleet.choose(wanted)
    return worker.version if worker else None


class Placed(Fleet):
    """A fleet whose workers are where the test puts them."""

    places: dict[str, str]

    def _start(self, version: str, state: EndpointState) -> Worker:
        del state
        return At(version, self.places[version])


@given(traffic=SPLITS)
def test_every_hundred_requests_are_split_exactly(traffic: dict[str, int]) -> None:
    split = DealtSplit(traffic)
    for _ in range(3):
        dealt = Counter(split.next(traffic) for _ in range(100))
        assert dealt == Counter({version: percent for version, percent in traffic.items() if percent})


@given(traffic=SPLITS, outages=st.lists(st.sets(st.sampled_from(["v0", "v1", "v2", "v3"])), max_size=50))
def test_only_available_versions_with_traffic_are_chosen(traffic: dict[str, int], outages: list[set[str]]) -> None:
    split = DealtSplit(traffic)
    for down in outages:
        able = {version for version, percent in traffic.items() if percent and version not in down}
        chosen = split.next(set(traffic) - down)
        assert chosen in able if able else chosen is None


def test_a_canary_gets_one_of_each_twenty_requests_and_chance_says_which() -> None:
    split = DealtSplit({"stable": 95, "canary": 5})
    turns = [turn for turn in range(2000) if split.next(["stable", "canary"]) == "canary"]
    assert [turn // 20 for turn in turns] == list(range(100))
    assert len({turn % 20 for turn in turns}) > 10


def test_clients_that_ask_by_turns_reach_each_version_with_each_kind_of_request() -> None:
    split = DealtSplit({"stable": 50, "canary": 50})
    kinds = Counter((split.next(["stable", "canary"]), turn % 2) for turn in range(400))
    assert min(kinds[version, kind] for version in ("stable", "canary") for kind in (0, 1)) > 50


def test_nobody_is_chosen_without_traffic() -> None:
    assert DealtSplit({}).next(["a"]) is None
    assert DealtSplit({"a": 0}).next(["a"]) is None


def test_a_version_takes_as_large_a_part_of_the_machine_as_of_the_traffic_and_all_where_it_has_none(
    tmp_path: Path,
) -> None:
    async def shares() -> list[int]:
        state = endpoint_state(versions=("a", "b", "c"), traffic={"a": 95, "b": 5})
        fleet = Placed(EndpointFiles(tmp_path), state, cast("Any", None))
        fleet.places = dict.fromkeys("abc", "ready")
        fleet.apply(state)
        return [fleet.share(version) for version in "abc"]

    assert asyncio.run(shares()) == [95, 5, 100]

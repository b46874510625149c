import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from evergreen.adapters.local_endpoint.fleet import SmoothSplit

CUTS = st.lists(st.integers(min_value=0, max_value=100), max_size=4).map(lambda cuts: sorted([0, *cuts, 100]))
SPLITS = CUTS.map(lambda cuts: {f"v{i}": high - low for i, (low, high) in enumerate(itertools.pairwise(cuts))})


@given(traffic=SPLITS)
def test_every_hundred_requests_are_split_exactly(traffic: dict[str, int]) -> None:
    split = SmoothSplit(traffic)
    for _ in range(3):
        dealt = Counter(split.next(traffic) for _ in range(100))
        assert dealt == Counter({version: percent for version, percent in traffic.items() if percent})


@given(traffic=SPLITS, outages=st.lists(st.sets(st.sampled_from(["v0", "v1", "v2", "v3"])), max_size=50))
def test_only_available_versions_with_traffic_are_chosen(traffic: dict[str, int], outages: list[set[str]]) -> None:
    split = SmoothSplit(traffic)
    for down in outages:
        able = {version for version, percent in traffic.items() if percent and version not in down}
        chosen = split.next(set(traffic) - down)
        assert chosen in able if able else chosen is None


def test_a_canary_is_spread_over_the_requests() -> None:
    split = SmoothSplit({"stable": 95, "canary": 5})
    turns = [turn for turn in range(200) if split.next(["stable", "canary"]) == "canary"]
    gaps = [later - earlier for earlier, later in itertools.pairwise(turns)]
    assert gaps == [20] * 9


def test_nobody_is_chosen_without_traffic() -> None:
    assert SmoothSplit({}).next(["a"]) is None
    assert SmoothSplit({"a": 0}).next(["a"]) is None

"""Each row is new once: random orders of arrival against a list of every row."""

from __future__ import annotations

import sys

import pytest

from evergreen.core.artifacts import Dataset, HeldOut
from evergreen.data.split import share_out
from evergreen.data.split_plan import Assignment, SplitPlan
from tests.arrivals import play, told

ORDERS = 500


def test_each_row_is_trained_on_once_in_random_orders(capsys: pytest.CaptureFixture[str]) -> None:
    counts = play(ORDERS)
    with capsys.disabled():
        sys.stdout.write(f"\n{ORDERS} orders: {told(counts)}\n")
    happened = {
        "like another",
        "deleted",
        "edited",
        "repeated",
        "without a time",
        "rollbacks",
        "failed runs",
        "overtaken runs",
        "later runs that end first",
        "runs",
    }
    assert not {one for one in happened if counts[one] < ORDERS / 10}
    shared_out = {
        "new trained on",
        "new held out",
        "new that equal held-out ones",
        "new set aside",
        "replayed and set aside",
    }
    assert not {one for one in shared_out if counts[one] < ORDERS / 100}


def test_an_order_notices_rows_that_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as those that become visible later than the lag says."""
    monkeypatch.setattr("tests.arrivals.LAG", "0")  # rows stay away for up to two hours
    with pytest.raises(AssertionError, match="order"):
        play(50)


def test_an_order_notices_a_run_that_was_overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.arrivals.overtaken", lambda *_: None)
    monkeypatch.setattr("tests.arrivals.SPLIT_EVERY", 10**9)
    with pytest.raises(AssertionError, match=r"order .* became champion"):
        play(20)


def test_an_order_notices_rows_that_are_like_earlier_test_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(dataset: Dataset, plan: SplitPlan, held_out: HeldOut | None) -> Assignment:
        return share_out(dataset, plan)

    monkeypatch.setattr("tests.shared_out.share_out", forgetful)
    monkeypatch.setattr("tests.arrivals.SPLIT_EVERY", 1)
    with pytest.raises(AssertionError, match=r"order .* (trained on what is like a held-out row|held out twice)"):
        play(20)

"""What a training has for MLflow, as it is kept on disk; who sends it is tried with MLflow itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evergreen.adapters.mlflow.spool import Entry, Spool

NO_CLIENT: Any = None


class Holder(Spool):
    """A spool whose MLflow run is a list."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.held: list[Entry] = []

    def _send(self, client: Any, part: list[Entry]) -> None:
        self.held += part


def points(entries: list[Entry]) -> list[tuple[int, str, float]]:
    return [(entry.step, name, value) for entry in entries for name, value in entry.metrics.items()]


def noted(folder: Path, run: str, sent: bool) -> None:
    """What a training leaves behind that noted two steps, its parameters, a page and its evaluation."""
    spool = Holder(folder)
    spool.belong_to(run)
    spool.add_params({"seed": "1"})
    for step in (8, 16):
        spool.add_point({"train/loss": 1 / step}, step)
    spool.add_page("curves.html", "old")
    spool.add_point({"test/accuracy": 0.5}, 0)
    if sent:
        spool.send(NO_CLIENT)


@pytest.mark.parametrize("sent", [True, False])
def test_a_training_that_begins_anew_sends_its_own_points_and_no_older_ones(tmp_path: Path, sent: bool) -> None:
    noted(tmp_path, "first", sent)
    spool = Holder(tmp_path)
    spool.belong_to("second")
    spool.forget_after(None)
    spool.add_point({"train/loss": 0.1}, 8)
    spool.send(NO_CLIENT)
    assert points(spool.held) == [(8, "train/loss", 0.1)]
    assert [entry.params for entry in spool.held if entry.params] == [{"seed": "1"}]
    assert not any(entry.page for entry in spool.held)
    assert points(Holder(tmp_path)._entries) == [(8, "train/loss", 0.1)]


def test_a_training_that_goes_on_keeps_the_points_before_and_notes_those_after_anew(tmp_path: Path) -> None:
    noted(tmp_path, "first", sent=True)
    spool = Holder(tmp_path)
    spool.belong_to("second")
    spool.forget_after(8)
    for step, loss in ((8, 1 / 8), (16, 0.2)):
        spool.add_point({"train/loss": loss}, step)
    spool.send(NO_CLIENT)
    assert [point for point in points(spool.held) if point[1] == "train/loss"] == [
        (8, "train/loss", 1 / 8),
        (16, "train/loss", 0.2),
    ]


def test_what_the_same_run_holds_is_not_sent_to_it_again(tmp_path: Path) -> None:
    noted(tmp_path, "first", sent=True)
    spool = Holder(tmp_path)
    spool.belong_to("first")
    spool.forget_after(None)
    for step in (8, 16):
        spool.add_point({"train/loss": 1 / step}, step)
    assert spool.pending == 0


def test_the_last_of_two_values_of_a_step_is_sent_last(tmp_path: Path) -> None:
    spool = Holder(tmp_path)
    spool.belong_to("first")
    for accuracy in (0.5, 0.5, 0.75):
        spool.add_point({"test/accuracy": accuracy}, 0)
    spool.send(NO_CLIENT)
    assert points(spool.held) == [(0, "test/accuracy", 0.5), (0, "test/accuracy", 0.75)]


def test_a_closed_spool_notes_nothing_over_what_another_has_noted(tmp_path: Path) -> None:
    old = Holder(tmp_path)
    old.belong_to("first")
    old.add_point({"train/loss": 0.5}, 8)
    old.close()
    new = Holder(tmp_path)
    new.belong_to("second")
    old.send(NO_CLIENT)
    old.belong_to("first")
    assert old.held == []
    assert Spool(tmp_path).run == "second"

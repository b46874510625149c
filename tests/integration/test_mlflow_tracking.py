import logging
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.adapters.mlflow.sender import Sender, deliver
from evergreen.adapters.mlflow.spool import Spool
from evergreen.adapters.mlflow.tracking import (
    MlflowTrainingRun,
    active_run,
    as_params,
    flatten,
)
from evergreen.core.errors import EvergreenError
from evergreen.core.training import Curves, PictureAnswers
from evergreen.pages.training import answers_page, curves_page
from tests.waiting import wait_until


@pytest.fixture
def client(mlflow_uri: str) -> Iterator[mlflow.MlflowClient]:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(mlflow_uri)
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


def test_parameters_curves_pages_and_texts_reach_the_active_run(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    seen: list[int] = []
    with mlflow.start_run() as run:
        spool = Spool(tmp_path)
        spool.belong_to(run.info.run_id)
        training = training_of(tmp_path, spool, lambda rows, *_: seen.append(rows))
        spool.add_params(as_params({"task": {"epochs": 2, "rules": {"min_rows": 5}}}))
        for step in (10, 20):
            training.log_metrics({"loss": 1 / step}, step)
        training.show_curves(Curves(train=(), validation=(), best_step=0))
        training.show_answers(PictureAnswers(labels=("地面",), overlays=()))
        training.report_progress(64, 128, 0.5, 3.0)
        spool.add_page("report.json", "{}")
        deliver(spool, mlflow.get_tracking_uri())
    held = client.get_run(run.info.run_id)
    assert held.data.params == {"task.epochs": "2", "task.rules.min_rows": "5"}
    assert [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, "loss")] == [
        (10, 0.1),
        (20, 0.05),
    ]
    pages = {"learning_curves.html", "overlays.html", "report.json"}
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == pages
    assert "地面" in mlflow.artifacts.load_text(f"{run.info.artifact_uri}/overlays.html")
    assert seen == [64]


def test_without_an_active_run_nothing_is_written(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    assert active_run() is None
    training = replace(training_of(tmp_path, Spool(tmp_path)), spool=None)
    training.log_metrics({"a": 1.0}, 1)
    training.show_curves(Curves(train=(), validation=(), best_step=0))
    assert client.search_runs(["0"]) == []
    assert not (tmp_path / "mlruns").exists()
    assert not (tmp_path / "mlflow.jsonl").exists()


@pytest.fixture
def broken(client: mlflow.MlflowClient, tmp_path: Path) -> Iterator[Spool]:
    """What a training notes for an MLflow that loses its tables while it runs."""
    with mlflow.start_run() as run:
        spool = Spool(tmp_path)
        spool.belong_to(run.info.run_id)
        (tmp_path / "mlflow.db").rename(tmp_path / "away.db")
        sqlite3.connect(tmp_path / "mlflow.db").close()
        yield spool
        if (tmp_path / "away.db").exists():
            (tmp_path / "away.db").replace(tmp_path / "mlflow.db")


def test_a_tracker_that_fails_costs_neither_the_training_nor_a_point(
    broken: Spool, client: mlflow.MlflowClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="evergreen"), Sender(broken, mlflow.get_tracking_uri()) as sender:
        training = training_of(tmp_path, broken, wake=sender.wake)
        for step in (10, 20, 30):
            training.log_metrics({"loss": 1 / step}, step)
        wait_until(lambda: bool(said(caplog)))
        (tmp_path / "away.db").replace(tmp_path / "mlflow.db")
    (warning,) = said(caplog)
    assert warning.endswith("; the training goes on, what it has for MLflow is kept and sent later")
    assert broken.run is not None
    assert [metric.step for metric in client.get_metric_history(broken.run, "loss")] == [10, 20, 30]


def test_a_page_that_cannot_be_drawn_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken_font(_: object) -> str:
        raise ValueError("no such backend")

    training = replace(training_of(tmp_path, Spool(tmp_path)), draw_curves=broken_font, draw_answers=broken_font)
    with caplog.at_level(logging.WARNING, logger="evergreen"):
        training.show_curves(Curves(train=(), validation=(), best_step=0))
        training.show_answers(PictureAnswers(labels=("$a$",), overlays=()))
    assert said(caplog) == [
        "left out: learning_curves.html (ValueError: no such backend)",
        "left out: overlays.html (ValueError: no such backend)",
    ]


def test_what_a_killed_attempt_noted_is_sent_once_to_the_run_that_resumes_it(
    client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    uri = mlflow.get_tracking_uri()
    killed, resumed = (client.create_run("0").info.run_id for _ in range(2))
    first = Spool(tmp_path)
    first.belong_to(killed)
    for step in (10, 20):
        first.add_point({"loss": 1 / step}, step)
    deliver(first, uri)
    first.add_point({"loss": 1 / 30}, 30)
    with (tmp_path / "mlflow.jsonl").open("a") as file:
        file.write('{"at": 1, "step": 40, "met')  # a kill, half way through a line

    second = Spool(tmp_path)
    second.belong_to(resumed)
    for step in (30, 40):  # it goes on from the checkpoint after step 20
        second.add_point({"loss": 1 / step}, step)
    deliver(second, uri)

    points = [(metric.step, metric.value) for metric in client.get_metric_history(resumed, "loss")]
    assert points == [(step, 1 / step) for step in (10, 20, 30, 40)]
    assert Spool(tmp_path).pending == 0


def test_what_was_sent_when_a_kill_came_before_it_was_noted_is_there_once(
    client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    spool = Spool(tmp_path)
    spool.belong_to(client.create_run("0").info.run_id)
    noted = (tmp_path / "mlflow.json").read_bytes()
    spool.add_point({"loss": 0.5}, 10)
    deliver(spool, mlflow.get_tracking_uri())
    (tmp_path / "mlflow.json").write_bytes(noted)
    again = Spool(tmp_path)
    assert again.pending == 1
    deliver(again, mlflow.get_tracking_uri())
    assert len(client.get_metric_history(str(again.run), "loss")) == 1


def test_what_mlflow_refuses_for_good_does_not_hold_up_what_follows(
    client: mlflow.MlflowClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path)
    spool.belong_to(client.create_run("0").info.run_id)
    spool.add_params({"seed": "1"})
    spool.add_params({"seed": "2"})
    spool.add_point({"loss": 0.5}, 10)
    with caplog.at_level(logging.WARNING, logger="evergreen"):
        deliver(spool, mlflow.get_tracking_uri())
    assert client.get_run(str(spool.run)).data.metrics == {"loss": 0.5}
    assert "1 points or pages are left out" in said(caplog)[0]


def test_a_name_that_mlflow_refuses_costs_no_other_value(
    client: mlflow.MlflowClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path)
    spool.belong_to(client.create_run("0").info.run_id)
    for step in range(40):
        spool.add_point({"loss": 1.0, "accuracy": 0.5} | ({"IoU of <road>": 0.5} if step == 20 else {}), step)
    with caplog.at_level(logging.WARNING, logger="evergreen"):
        deliver(spool, mlflow.get_tracking_uri())
    for name in ("loss", "accuracy"):
        assert [metric.step for metric in client.get_metric_history(str(spool.run), name)] == [*range(40)]
    (warning,) = said(caplog)
    assert "1 points or pages are left out" in warning
    assert spool.pending == 0


def test_a_sender_that_outlasts_the_end_notes_nothing_any_more(
    client: mlflow.MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evergreen.adapters.mlflow import sender

    monkeypatch.setattr(sender, "PATIENCE_AT_THE_END_S", 0.1)
    asked, answers = Event(), Event()

    class Slow(Spool):
        def _send(self, client: object, part: object) -> None:
            asked.set()
            answers.wait(30)

    spool = Slow(tmp_path)
    spool.belong_to("a")
    spool.add_point({"loss": 1.0}, 1)
    with Sender(spool, mlflow.get_tracking_uri()) as sending:
        assert asked.wait(30)
    other = Spool(tmp_path)
    other.belong_to("b")
    answers.set()
    sending._thread.join(30)
    assert not sending._thread.is_alive()
    assert Spool(tmp_path).run == "b"


def test_a_tracker_that_fails_is_told_in_one_line(broken: Spool) -> None:
    broken.add_point({"loss": 0.5}, 1)
    with pytest.raises(EvergreenError, match="MLflow at sqlite:") as caught:
        deliver(broken, mlflow.get_tracking_uri())
    assert "\n" not in str(caught.value)


def test_secrets_are_hidden_and_names_of_variables_and_counts_are_not() -> None:
    params = {"source": {"token": "hf_123", "token_env": "HF_TOKEN"}, "db_password": "x", "max_length_tokens": 128}
    assert flatten(params) == {
        "source.token": "(hidden)",
        "source.token_env": "HF_TOKEN",
        "db_password": "(hidden)",
        "max_length_tokens": 128,
    }


@given(st.recursive(st.integers(), lambda inner: st.dictionaries(st.text("abc", min_size=1), inner), max_leaves=8))
def test_every_leaf_is_kept_once(tree: object) -> None:
    def leaves(node: object) -> int:
        return sum(map(leaves, node.values())) or 1 if isinstance(node, dict) else 1

    params = {"root": tree}
    assert len(flatten(params)) == leaves(params)


def training_of(
    folder: Path,
    spool: Spool,
    progress: Callable[..., None] = lambda *_: None,
    wake: Callable[[], None] = lambda: None,
) -> MlflowTrainingRun:
    return MlflowTrainingRun(folder, folder, 0, progress, lambda: None, curves_page, answers_page, spool, wake)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name.startswith("evergreen")]

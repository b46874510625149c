"""What a run leaves for programs and for a pull request, and what the pull request is told of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commands.outcome import empty_folder, write_outcome
from commands.parser import main
from evergreen.core.decision import PromotionDecision, Reason, Verdict
from evergreen.core.deployment import Deployment
from evergreen.core.errors import InputError
from evergreen.core.metric import Metric
from evergreen.core.report import Baseline, Comparison, EvaluationReport, Timings
from tests.github_stand_in import REPOSITORY, TOKEN, Repository, github

COMMIT = "c" * 40
RULE = "margin accuracy"


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    with github() as repository:
        for name, value in (("API_URL", repository.url), ("TOKEN", TOKEN), ("REPOSITORY", REPOSITORY)):
            monkeypatch.setenv(f"GITHUB_{name}", value)
        yield repository


def metric(value: float) -> Metric:
    return Metric(value=value, low=value - 0.02, high=value + 0.02)


def outcome(verdict: Verdict, deployment: str, champion: str | None = "champion0001") -> Any:
    comparison = Comparison(
        champion="champion0001", metrics={"accuracy": metric(0.9)}, differences={"accuracy": metric(float("nan"))}
    )
    return SimpleNamespace(
        run="training-7",
        run_url=None,
        report_page="gs://b/page.html",
        report=EvaluationReport(
            kind="classification",
            primary_metric="accuracy",
            primary_class_metric="f1",
            version="challenger01",
            splits="5" * 64,
            rows=200,
            labels=("a", "b"),
            metrics={"accuracy": metric(0.95)},
            confidence=0.95,
            baseline=Baseline(label="a", metrics={"accuracy": 0.5}),
            slices=(),
            comparison=comparison if champion else None,
            size_bytes=1,
            timings=Timings(latency_p50_ms=1, latency_p95_ms=2, rows_per_s=3),
        ),
        decision=PromotionDecision(
            verdict=verdict,
            version="challenger01",
            champion=champion,
            reasons=(Reason(rule=RULE, passed=verdict is Verdict.PROMOTE, message="as it is"),),
        ),
        deployment=Deployment.model_validate(
            {"outcome": deployment, "model": "news", "url": None, "version": None, "traffic": {}, "message": "so"}
        ),
    )


def test_programs_read_challenger_against_champion_and_nothing_of_an_earlier_run(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "outcome"
    empty_folder(folder)
    write_outcome(folder, outcome(Verdict.PROMOTE, "live"))
    written = json.loads((folder / "outcome.json").read_text("utf-8"))
    assert (written["accepted"], written["verdict"], written["version"]) == (True, "promote", "challenger01")
    assert (written["champion"], written["champion_metrics"]["accuracy"]["value"]) == ("champion0001", 0.9)
    assert written["metrics"]["accuracy"] == {"value": 0.95, "low": pytest.approx(0.93), "high": pytest.approx(0.97)}
    assert written["differences"]["accuracy"]["value"] == "NaN"
    assert written["reasons"] == [{"rule": RULE, "passed": True, "message": "as it is"}]
    empty_folder(folder)
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match=r"--outcome .*taken cannot be written"):
        empty_folder(tmp_path / "taken")


@pytest.mark.parametrize(
    ("became", "code", "sentence"),
    [
        (
            (Verdict.PROMOTE, "live", "champion0001"),
            0,
            "let version challenger01 through against champion champion0001",
        ),
        ((Verdict.PROMOTE, "live", None), 0, "let version challenger01 through"),
        ((Verdict.KEEP, "kept", "challenger01"), 0, "version challenger01 is the champion already"),
        (
            (Verdict.KEEP, "kept", "champion0001"),
            1,
            f"kept version challenger01 out ({RULE}); champion champion0001 stays",
        ),
        ((Verdict.KEEP, "none", None), 1, f"kept version challenger01 out ({RULE})"),
        ((Verdict.PROMOTE, "rolled_back", "champion0001"), 1, "its deployment was rolled back"),
    ],
)
def test_the_pull_request_is_told_what_became_of_it(
    tmp_path: Path, repository: Repository, became: tuple[Verdict, str, str | None], code: int, sentence: str
) -> None:
    repository.open_pull(7, COMMIT)
    write_outcome(tmp_path, outcome(*became))
    assert main(["report", "--outcome", str(tmp_path), "--commit", COMMIT]) == code
    (status,) = repository.statuses[COMMIT]
    assert status["state"] == ("failure" if code else "success")
    assert sentence in status["description"]
    assert "| **Accuracy** |" in repository.comments[7][0]["body"]


def test_a_commit_without_a_pull_request_still_has_its_status(
    tmp_path: Path, repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    write_outcome(tmp_path, outcome(Verdict.PROMOTE, "live"))
    assert main(["report", "--outcome", str(tmp_path), "--commit", COMMIT]) == 0
    assert f"no open pull request has commit {COMMIT}\n" in capsys.readouterr().out
    assert len(repository.statuses[COMMIT]) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("", COMMIT), "GITHUB_REPOSITORY should be owner/name, got ''"),
        ((REPOSITORY, "main"), "--commit should be a commit's full SHA, got 'main'"),
    ],
)
def test_what_github_did_not_give_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: tuple[str, str],
    message: str,
) -> None:
    write_outcome(tmp_path, outcome(Verdict.PROMOTE, "live"))
    monkeypatch.setenv("GITHUB_REPOSITORY", given[0])
    assert main(["report", "--outcome", str(tmp_path), "--commit", given[1]]) == 2
    assert message in capsys.readouterr().err


def test_a_run_that_failed_left_nothing_to_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--outcome", str(tmp_path), "--commit", COMMIT]) == 2
    assert f"run with --outcome {tmp_path}" in capsys.readouterr().err

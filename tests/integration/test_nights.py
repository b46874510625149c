"""Whether a run trains or repeats the champion's, and what it does where results of that run are gone; in a real ZenML.

The pipeline here has the steps of the training pipeline by name; each counts how often it ran.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from zenml import pipeline, step
from zenml.config import CachePolicy
from zenml.enums import ExecutionStatus
from zenml.models import PipelineRunResponse

from evergreen.adapters.bigquery.settings import BigQuerySettings
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.kinds import AnySource
from evergreen.core.artifacts import SourceIdentity
from evergreen.core.coverage import Coverage
from evergreen.core.errors import EvergreenError
from evergreen.core.part import Part
from evergreen.core.refresh import Refresh
from evergreen.core.training import Incumbent, Start
from evergreen.core.versions import Alias, ModelVersion, RecordState
from evergreen.core.when import Cause, When
from evergreen.data.split_plan import SplitPlan
from evergreen.tasks.text_classification.settings import TextClassification, TextRules
from orchestration.causes import World
from orchestration.freshness import RowsToRead
from orchestration.materializers import DATA_NAMES
from orchestration.nights import Night, Recipe, night_of
from orchestration.recorded import Identified, Outputs, RecordedRun, recorded_run
from orchestration.trainings import LastTraining, became_words, last_training, note_training

pytestmark = pytest.mark.usefixtures("zenml_home")
CODES = {name: f"{name} code" for name in ("fetch", "validate", "split", "train", "evaluate")}
COLUMNS = {"id": "id", "text": "text", "label": "label", "arrived": "arrived"}
SOURCE = FilesSettings(path="news.csv", columns=COLUMNS)
RECIPE = Recipe(SOURCE, TextClassification(encoder="none", labels=("a", "b")), SplitPlan(), 0, CODES)
UNTIL = datetime(2026, 5, 1, tzinfo=UTC)
ran: Counter[str] = Counter()


def identified(salt: str, *, adds: bool = True) -> Identified:
    """What the champion's run began with, of a salt that makes its results nobody else's."""
    identity = SourceIdentity(kind="files", fingerprint=salt, description="news.csv", rows=600)
    part, start = Part(until=UNTIL if adds else None, adds=adds), Start(pretrained="weights")
    recipe = RECIPE.fingerprint(identity, start, part)
    return Identified(
        identity, part, Incumbent(), start, recipe, **{f"{name}_code": code for name, code in CODES.items()}
    )


@step(enable_cache=False)
def identify(source: AnySource, salt: str, trains: bool, adds: bool) -> Outputs:
    if trains:
        note_training(["rows", "drift"])
    one = identified(salt, adds=adds)
    return one.identity, *one[1:]


@step
def fetch(identity: SourceIdentity) -> tuple[Annotated[Incumbent, "dataset"], Annotated[Coverage, "coverage"]]:
    ran["fetch"] += 1
    return Incumbent(version=identity.fingerprint), Coverage()


@step
def split(dataset: Incumbent) -> Annotated[Incumbent, "splits"]:
    ran["split"] += 1
    return Incumbent(version=f"splits of {dataset.version}")


@step
def train(splits: Incumbent) -> Annotated[Incumbent, "model"]:
    ran["train"] += 1
    return Incumbent(version=f"model of {splits.version}")


@step
def evaluate(model: Incumbent, splits: Incumbent) -> Annotated[Incumbent, "report"]:
    ran["evaluate"] += 1
    return Incumbent(version=f"report of {model.version}")


@step(enable_cache=False)
def promote(model: Incumbent, splits: Incumbent, coverage: Coverage, report: Incumbent) -> None:
    ran["promote"] += 1


@pipeline(cache_policy=CachePolicy(include_step_code=False))
def nightly(source: AnySource, salt: str, trains: bool = False, adds: bool = True) -> None:
    identity, *_ = identify(source, salt, trains, adds)
    dataset, coverage = fetch(identity)
    splits = split(dataset)
    model = train(splits)
    report = evaluate(model, splits)
    promote(model, splits, coverage, report)


def run(salt: str, **arguments: Any) -> PipelineRunResponse:
    response = nightly(SOURCE, salt, **arguments)
    assert response is not None
    return response


def champion_of(run: PipelineRunResponse) -> ModelVersion:
    plain: dict[str, Any] = {"version": "a1", "artifact": "a", "report": "r", "recipe": "known", "run": run.name}
    return ModelVersion(**plain, judged_against=None, metrics={}, examples=())


def known_of(run: PipelineRunResponse) -> RecordedRun:
    known = recorded_run(champion_of(run))
    assert known is not None
    return known


def lose(run: PipelineRunResponse, step: str, output: str) -> None:
    """As when a bucket is pruned: ZenML knows of it still."""
    shutil.rmtree(run.steps[step].outputs[output][0].uri)


def lose_artifact(artifact: str) -> None:
    from zenml.client import Client

    shutil.rmtree(Client().get_artifact_version(UUID(artifact)).uri)


@pytest.fixture(autouse=True)
def weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked for that no test reads; and nothing has run yet."""
    monkeypatch.setattr(Recipe, "pretrained", "weights")
    ran.clear()


@pytest.fixture(scope="module")
def finished(zenml_home: Path) -> PipelineRunResponse:
    """The champion's own run, of which nothing is lost."""
    return run("kept")


def test_what_cannot_be_made_again_is_told_before_the_cache_forgets_anything() -> None:
    from zenml import save_artifact

    def kept(name: str) -> str:
        return str(save_artifact(Incumbent(version=name), f"{name}-{uuid4().hex[:8]}").id)

    finished, before = run(uuid4().hex), {name: kept(name) for name in ("covered", "held_out")}
    known = known_of(finished)
    part = known.identified.part.model_copy(update=before)
    known = replace(known, identified=known.identified._replace(part=part))
    known.make_again(["fetch", "split"])
    lose_artifact(before["covered"])
    lose_artifact(before["held_out"])
    ran.clear()
    with pytest.raises(
        EvergreenError, match=r"results of split of .*, for the held-out rows of the version before it is"
    ):
        known.make_again(["split"])
    both = r"results of fetch, split of .* for the coverage and the held-out rows .* are gone, too; set refresh.on_lost"
    with pytest.raises(EvergreenError, match=both):
        known.make_again(["fetch", "split"])
    known.make_again(["train"])  # which reads neither


def test_what_another_stack_keeps_is_not_lost_and_not_made_again(
    finished: PipelineRunResponse, another_stack: str
) -> None:
    from zenml.client import Client

    known = known_of(finished)
    Client().activate_stack(another_stack)
    assert known.lost_steps() == []


def rows(new: int, *, few: bool = True, total: int | None = None) -> RowsToRead:
    identity = SourceIdentity(kind="files", fingerprint="other", description="d", rows=new if total is None else total)
    too_few = "nothing is trained on fewer than 50" if few else None
    return RowsToRead(identity=identity, part=Part(until=UNTIL), words=f"{new} new to champion a1", too_few=too_few)


def night(finished: PipelineRunResponse, read: RowsToRead, refresh: Refresh = Refresh(), **changes: Any) -> Night:
    recipe = replace(RECIPE, **{name: changes.pop(name) for name in ("source", "seed", "codes") if name in changes})
    return night_of("news", champion_of(finished), read, recipe, refresh, **{"scheduled": True, **changes})


def test_a_night_without_news_repeats_what_the_champion_s_run_identified(finished: PipelineRunResponse) -> None:
    quiet = night(finished, rows(20))
    assert quiet.words == "20 new to champion a1; nothing is trained on fewer than 50"
    assert quiet.repeats is not None
    assert quiet.repeats.identified == identified("kept")
    trains = night(finished, rows(50, few=False))
    assert trains == Night(None, "50 new to champion a1", reasons=("rows",))
    assert not trains.moved


@pytest.mark.parametrize(
    ("outputs", "evaluate_code", "is_left_out"),
    [
        (("report", "reference"), "code of evaluate", False),
        (("report", "reference"), "edited", True),
        (("report",), "code of evaluate", True),  # a run of an earlier release
    ],
)
def test_a_repeated_run_measures_anew_without_the_version_before_it_where_that_is_gone(
    outputs: tuple[str, ...], evaluate_code: str, is_left_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration import recorded

    steps: Any = {"evaluate": SimpleNamespace(outputs=dict.fromkeys(outputs))}
    before = Incumbent(version="z9", artifact=str(uuid4()))
    then = identified("any")._replace(incumbent=before, evaluate_code="code of evaluate")
    known = RecordedRun("training-1", then, steps, UNTIL)
    monkeypatch.setattr(recorded, "is_lost", lambda artifact: artifact == before.artifact)
    repeated = known.repeated(evaluate_code)
    assert repeated == then._replace(evaluate_code=evaluate_code, incumbent=Incumbent() if is_left_out else before)
    monkeypatch.setattr(recorded, "is_lost", lambda _: False)
    assert known.repeated(evaluate_code).incumbent == before


@pytest.mark.parametrize(
    ("part", "goes_on", "starts_from", "by_champion"),
    [
        (Part(until=UNTIL), True, "a1", True),
        (Part(adds=False), True, "a1", True),  # a backfill, which carries on what the champion covers
        (Part(adds=False), False, None, False),
        (Part(until=UNTIL), False, None, False),
        (Part(), None, None, False),
    ],
)
def test_a_model_that_carries_on_what_the_champion_covers_goes_on_from_it(
    part: Part, goes_on: bool | None, starts_from: str | None, by_champion: bool
) -> None:
    from steps.identify import _identified

    plain: dict[str, Any] = {"artifact": "a", "report": "r", "recipe": "known", "run": "training-1"}
    plain |= {"judged_against": None, "metrics": {}, "examples": ()}
    read = RowsToRead(identity=identified("kept").identity, part=part, goes_on=goes_on)

    def begins(champion: str, *, moved: bool = False) -> Identified:
        version = ModelVersion(version=champion, **plain)
        record = RecordState(versions=(version,), aliases={Alias.CHAMPION: champion})
        return _identified(record, read, RECIPE, moved=moved)

    first, second, moved_on = begins("a1"), begins("b2"), begins("a1", moved=True)
    assert (moved_on.start.moved, moved_on.recipe != first.recipe) == (by_champion, by_champion)
    assert "moved" not in first.start.model_dump(mode="json")  # as earlier releases wrote it
    assert first.start.champion.version == starts_from
    assert first.incumbent.version == "a1"
    assert (first.recipe != second.recipe) == by_champion


def test_a_backfill_that_became_champion_is_repeated_until_its_rows_change() -> None:
    salt = uuid4().hex
    backfill = run(salt, adds=False)
    read = RowsToRead(identity=identified(salt, adds=False).identity, part=Part(adds=False), goes_on=True)
    assert night(backfill, read).repeats is not None
    other = read.model_copy(update={"identity": read.identity.model_copy(update={"fingerprint": "other"})})
    assert night(backfill, other) == Night(None, None, reasons=("rows",))


def test_results_are_asked_for_and_not_loaded(finished: PipelineRunResponse, monkeypatch: pytest.MonkeyPatch) -> None:
    known = known_of(finished)
    monkeypatch.setattr("orchestration.materializers.ValueMaterializer.load", lambda *_: pytest.fail("it was loaded"))
    assert known.lost_steps() == []


def test_what_is_needed_and_gone_is_made_again_of_the_same_rows_or_a_reason_to_train() -> None:
    salt = uuid4().hex
    first = run(salt)
    lose(first, "fetch", "dataset")
    assert known_of(first).lost_steps() == []  # nothing reads it any more
    lose(first, "split", "splits")
    gone = f"results of split, fetch of run {first.name} are gone"
    trains = night(first, rows(20), Refresh(on_lost="train"))
    assert trains == Night(None, f"20 new to champion a1; trains, for {gone}")
    assert night(first, rows(0), Refresh(on_lost="train")).repeats is not None  # there is nothing to train on

    quiet = night(first, rows(20))
    assert quiet.repeats is not None
    few = "20 new to champion a1; nothing is trained on fewer than 50"
    assert quiet.words == f"{few}; {gone}, and are made again"
    assert night(first, rows(20)) == quiet  # asking changes nothing
    quiet.heal()
    ran.clear()
    run(salt)
    assert ran == {"fetch": 1, "split": 1, "promote": 1}
    assert night(first, rows(20)).words == few


def test_without_the_champion_s_run_a_run_trains_on_what_there_is_or_says_that_it_cannot(
    finished: PipelineRunResponse,
) -> None:
    assert recorded_run(champion_of(finished).model_copy(update={"run": finished.name[:-1]})) is None  # another's name
    champion = champion_of(finished).model_copy(update={"run": "training-0"})
    trains = night_of("news", champion, rows(20), RECIPE, Refresh(), scheduled=True)
    gone = "run training-0 of it is gone, which would be repeated"
    assert trains == Night(None, f"20 new to champion a1; trains, for {gone}")
    with pytest.raises(
        EvergreenError, match=r"there are no rows to train on beside champion a1, .* run again when there are more rows"
    ):
        night_of("news", champion, rows(0), RECIPE, Refresh(), scheduled=True)


def test_a_run_that_identified_in_a_form_of_before_cannot_be_repeated() -> None:
    before = run(uuid4().hex)
    assert recorded_run(champion_of(before)) is not None
    kept = Path(before.steps["identify"].outputs["part"][0].uri)
    (data,) = (path for path in kept.iterdir() if path.name in DATA_NAMES)
    data.write_text('{"until": null, "lag_hours": 1}', encoding="utf-8")
    assert recorded_run(champion_of(before)) is None
    trains = night(before, rows(20))
    assert (trains.repeats, "is gone" in str(trains.words)) == (None, True)


@pytest.mark.parametrize("of", ["fetch", "train"])
def test_other_code_alone_trains_by_hand_and_by_schedule_where_that_is_asked_for(
    finished: PipelineRunResponse, of: str
) -> None:
    changed = CODES | {of: "edited"}
    quiet = night(finished, rows(20), codes=changed)
    assert quiet.repeats is not None
    assert quiet.words == "20 new to champion a1; the code changed, on which refresh.on_code trains nothing"
    for trains in (
        night(finished, rows(20), codes=changed, scheduled=False),
        night(finished, rows(20), Refresh(on_code=True), codes=changed),
    ):
        assert trains == Night(None, "20 new to champion a1; trains, for the code changed", reasons=("code",))
    none = night(finished, rows(0), Refresh(on_code=True), codes=changed)
    assert none.repeats is not None
    assert none.words == "0 new to champion a1; the code changed, and there are no rows to train on"


def test_fewer_rows_than_the_task_needs_are_a_quiet_night_whatever_changed(finished: PipelineRunResponse) -> None:
    task = TextClassification(encoder="none", labels=("a", "b"))
    read = rows(12, few=False).model_copy(update={"goes_on": True})
    few = "the task needs at least 20 rows, new and read once more"
    quiet = night(finished, read.for_task(task))
    assert quiet.repeats is not None
    assert str(quiet.words).startswith(f"12 new to champion a1; {few}")
    changed = night(finished, read.for_task(task), seed=1)
    assert (
        changed.words
        == "12 new to champion a1; the configuration changed, and there are fewer than 20 rows to train on"
    )
    replayed = read.model_copy(update={"identity": read.identity.model_copy(update={"rows": 20})})
    assert night(finished, replayed.for_task(task)).repeats is None
    first = read.model_copy(update={"goes_on": False})
    assert first.for_task(task).too_few is None  # without a champion there is nothing to repeat
    less = task.model_copy(update={"rules": TextRules(min_rows=12)})
    assert night(finished, read.for_task(less)).repeats is None


def test_code_that_only_evaluates_trains_nothing(finished: PipelineRunResponse) -> None:
    assert night(finished, rows(20), codes=CODES | {"evaluate": "edited"}, scheduled=False).repeats is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"source": SOURCE.model_copy(update={"path": "other.csv"})},
    ],
    ids=["seed", "source"],
)
def test_another_configuration_trains(finished: PipelineRunResponse, changed: dict[str, Any]) -> None:
    words = "20 new to champion a1; trains, for the configuration changed"
    assert night(finished, rows(20), **changed) == Night(None, words, reasons=("configuration",))


def test_how_rows_are_fetched_is_no_other_configuration() -> None:
    columns = {name: column for name, column in COLUMNS.items() if name != "text"}
    table = BigQuerySettings(project="news-production", table="news.articles", columns=COLUMNS)
    first = nightly(table, uuid4().hex)
    assert first is not None
    fetched = {"maximum_bytes_billed": 1, "job_labels": {"team": "news"}, "streams": 1, "retry_deadline_s": 9.0}
    assert fetched.keys() == BigQuerySettings.fetching
    assert night(first, rows(20), source=table.model_copy(update=fetched)).repeats is not None
    for other in ({"table": "news.others"}, {"columns": columns}):
        assert "configuration changed" in str(night(first, rows(20), source=table.model_copy(update=other)).words)


def test_every_row_or_those_of_a_window_train_where_they_changed(finished: PipelineRunResponse) -> None:
    then = identified("kept")
    same = RowsToRead(identity=then.identity, part=Part())
    assert night(finished, same).repeats is not None
    assert night(finished, same).words is None
    assert night(finished, same, codes=CODES | {"train": "edited"}).words == (
        "the code changed, on which refresh.on_code trains nothing"
    )
    other = same.model_copy(update={"identity": then.identity.model_copy(update={"fingerprint": "other"})})
    assert night(finished, other) == Night(None, None, reasons=("rows",))


DRIFTED = World((Cause(kind="drift", words="2 of the last 5 windows drifted"),))
UNHEARD = World(told="there is no verdict for refresh.when to read")


@pytest.fixture
def drifted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts say that the world moved."""
    monkeypatch.setattr("orchestration.nights.world_of", lambda *_: DRIFTED)


@pytest.mark.usefixtures("drifted")
@pytest.mark.parametrize("scheduled", [True, False])
def test_a_world_that_moved_trains_on_new_rows_few_as_they_are(finished: PipelineRunResponse, scheduled: bool) -> None:
    few = rows(20).model_copy(update={"new": 20})
    words = "20 new to champion a1; trains, for 2 of the last 5 windows drifted"
    told = night(finished, few, scheduled=scheduled)
    assert told == Night(None, words, reasons=("drift",))
    assert told.moved
    both = night(finished, rows(80, few=False), seed=1)
    assert (both.reasons, "trains, for 2 of the last 5" in str(both.words)) == (("rows", "drift"), True)
    configured = night(finished, few, seed=1)
    assert configured.reasons == ("configuration", "drift")
    assert "trains, for the configuration changed and 2 of the last 5 windows drifted" in str(configured.words)


@pytest.mark.usefixtures("drifted")
def test_a_world_that_moved_trains_nothing_on_rows_that_the_champion_knows(finished: PipelineRunResponse) -> None:
    reason = "there is a reason to train, that 2 of the last 5 windows drifted"
    replayed = rows(0, total=300).model_copy(update={"new": 0})
    quiet = night(finished, replayed, scheduled=False)
    assert quiet.repeats is not None
    assert quiet.words == (
        f"0 new to champion a1; {reason}, and there are no rows that the champion was not trained on"
    )
    same = RowsToRead(identity=identified("kept").identity, part=Part())
    assert night(finished, same).words == f"{reason}, and there are no rows that the champion was not trained on"
    other = same.model_copy(update={"identity": same.identity.model_copy(update={"fingerprint": "other"})})
    assert night(finished, other, Refresh(when=When(new_rows=False))).reasons == ("drift",)


def test_new_rows_alone_train_by_hand_and_by_schedule_where_that_is_asked_for(
    finished: PipelineRunResponse, monkeypatch: pytest.MonkeyPatch
) -> None:
    never, enough = Refresh(when=When(new_rows=False)), rows(80, few=False)
    quiet = night(finished, enough, never)
    assert quiet.repeats is not None
    assert quiet.words == "80 new to champion a1; rows alone are no reason to train, by refresh.when.new_rows"
    assert night(finished, enough, never, scheduled=False).reasons == ("rows",)
    assert night(finished, enough, never, seed=1).reasons == ("configuration",)
    monkeypatch.setattr("orchestration.nights.world_of", lambda *_: UNHEARD)
    assert str(night(finished, enough, never).words).endswith("; there is no verdict for refresh.when to read")


@pytest.mark.usefixtures("drifted")
def test_one_run_trains_at_a_time_by_schedule(finished: PipelineRunResponse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.nights.training_under_way", lambda _model: "training-8")
    few = rows(20).model_copy(update={"new": 20})
    quiet = night(finished, few)
    assert quiet.repeats is not None
    assert quiet.words == "20 new to champion a1; nothing is trained while training-8 is under way, which trains"
    assert night(finished, few, scheduled=False).repeats is None


def test_a_scheduled_run_waits_after_the_last_that_set_out_to_train(
    finished: PipelineRunResponse, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = datetime.now(UTC) - timedelta(hours=5)
    last = LastTraining(run="training-7", began=since, outcome="failed")
    monkeypatch.setattr("orchestration.nights.last_training", lambda _model: last)
    enough, cool = rows(80, few=False), Refresh(cool_down="12h")
    waits = night(finished, enough, cool)
    ends = since + timedelta(hours=11)
    assert waits.repeats is not None
    assert waits.words == (
        f"80 new to champion a1; nothing is trained before {ends:%Y-%m-%d %H:%M} UTC, "
        "about 12h after training-7, which failed"
    )
    assert night(finished, enough, cool, scheduled=False).repeats is None
    assert night(finished, enough, Refresh(cool_down="5h")).repeats is None  # it may fire some minutes early
    assert night(finished, enough, Refresh(cool_down="6h")).repeats is not None
    assert night(finished, enough).repeats is None
    assert "which failed" not in str(night(finished, rows(20), cool).words)  # there is no reason anyway


def test_the_last_run_that_set_out_to_train_is_known_by_its_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    model = f"m-{uuid4().hex[:8]}"
    tagged = nightly.with_options(tags=[f"model={model}"])
    assert last_training(model) is None
    noted = tagged(SOURCE, "kept", trains=True)
    tagged(SOURCE, "kept")
    assert noted is not None
    last = last_training(model)
    assert last is not None
    assert (last.run, last.outcome) == (noted.name, "ended, and what became of the endpoint was not noted")
    assert last.reasons == ("rows", "drift")
    assert last.began == noted.created.replace(tzinfo=UTC)
    for outcome, words in (("none", "made no version that passes the gate"), ("kept", "left the endpoint as it was")):
        monkeypatch.setattr("orchestration.trainings.deployment_outcome", lambda _run, became=outcome: became)
        ended = last_training(model)
        assert ended is not None
        assert ended.outcome == words


@pytest.mark.parametrize(
    ("status", "outcome", "words"),
    [
        (ExecutionStatus.RUNNING, None, "is under way"),
        (ExecutionStatus.STOPPING, None, "is under way"),
        (ExecutionStatus.STOPPED, None, "was stopped"),
        (ExecutionStatus.CANCELLED, None, "was stopped"),
        (ExecutionStatus.STOPPED, "live", "trained a version"),
        (ExecutionStatus.FAILED, None, "failed"),
        (ExecutionStatus.COMPLETED, None, "ended, and what became of the endpoint was not noted"),
    ],
)
def test_a_training_that_was_stopped_did_not_fail(status: ExecutionStatus, outcome: str | None, words: str) -> None:
    assert became_words(status, outcome) == words


def test_the_plan_says_what_a_run_would_do(finished: PipelineRunResponse, monkeypatch: pytest.MonkeyPatch) -> None:
    from commands.project import Project
    from commands.run import _rows_and_source

    last = LastTraining(run="training-7", began=datetime.now(UTC), outcome="failed")
    monkeypatch.setattr("orchestration.nights.last_training", lambda _model: last)
    monkeypatch.setattr("orchestration.fingerprint.code_fingerprints", lambda *_: CODES)

    def told(read: RowsToRead, seed: int = 0, *, scheduled: bool = False) -> str:
        given: Any = SimpleNamespace(parameters=SimpleNamespace(split=RECIPE.split, seed=seed))
        host: Any = None
        project = Project(given, "news", SOURCE, RECIPE.task, host, None, refresh=Refresh(cool_down="12h"))
        project = replace(project, scheduled=scheduled)
        return _rows_and_source(project, champion_of(finished), read)[0]

    assert told(rows(20)) == "20 new to champion a1; nothing is trained on fewer than 50"
    assert told(rows(20), seed=1) == "20 new to champion a1; trains, for the configuration changed"
    assert told(rows(80, few=False)) == "80 new to champion a1"
    assert "nothing is trained before" in told(rows(80, few=False), scheduled=True)


@pytest.mark.parametrize(("options", "scheduled"), [([], False), (["--scheduled"], True)])
def test_a_run_that_cron_starts_says_so(monkeypatch: pytest.MonkeyPatch, options: list[str], scheduled: bool) -> None:
    from commands.parser import parse
    from commands.watching import _submit
    from orchestration.runs import is_scheduled

    asked: list[bool] = []
    monkeypatch.setattr(f"{__name__}.note_training", lambda *_: asked.append(is_scheduled()))

    def with_options(**given: Any) -> Any:
        return partial(nightly.with_options(**given), SOURCE, "kept", trains=True)

    args = parse(["--config", "news.yaml", *options])
    pipeline = SimpleNamespace(with_options=with_options)
    written = SimpleNamespace(path=Path("news.yaml"))
    project: Any = SimpleNamespace(
        model_name="news", scheduled=args.scheduled, pipeline=pipeline, configuration=written
    )
    _submit(project, {"extra": {"stacks": ["default"]}})
    assert asked == [scheduled]

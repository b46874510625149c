"""Each row is new once: random orders of arrival against a list of every row, and coverage in a real ZenML store."""

from __future__ import annotations

import csv
import re
import shutil
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from pydantic import TypeAdapter

from evergreen.adapters import kinds
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.core.artifacts import Dataset, HeldOut, HeldOutManifest
from evergreen.core.coverage import Coverage, intervals
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.members import SourceSettings, source_of
from evergreen.core.part import Part, PartOfSource
from evergreen.core.refresh import Backfill, Refresh
from evergreen.core.training import Incumbent
from evergreen.core.versions import Alias, ModelVersion, crown, nominate
from evergreen.core.window import Interval
from evergreen.data.freshness import coverage_after
from evergreen.data.shards import iter_batches
from evergreen.data.split import share_out
from evergreen.data.split_plan import Assignment, SplitPlan
from evergreen.data.stretch import read_stretch
from tests.arrivals import play, told

pytestmark = pytest.mark.usefixtures("zenml_home")
ORDERS = 500
COLUMNS = {"id": "id", "text": "text", "label": "label", "timestamp": "day", "arrived": "arrived"}
DAILY = Refresh(data="incremental", replay_share=0, min_new_rows=2)
STRETCH = Backfill(start=datetime(2026, 5, 2, tzinfo=UTC), end=datetime(2026, 5, 3, tzinfo=UTC))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Four rows a day, of three days."""
    path = tmp_path / "rows.csv"
    write(path, [(f"{day}-{number}", day, day) for day in (1, 2, 3) for number in range(4)])
    return path


def write(path: Path, some: list[tuple[str, int, int]]) -> None:
    """Rows of (id, day that it tells of, day of arrival)."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label", "day", "arrived"])
        writer.writerows(
            (name, f"text {name}", "ab"[number % 2], f"2026-05-{about:02d}", f"2026-05-{came:02d}T12:00:00+02:00")
            for number, (name, about, came) in enumerate(some)
        )


def append(path: Path, *some: tuple[str, int, int]) -> None:
    write(path.with_suffix(".more"), list(some))
    lines = path.with_suffix(".more").read_text(encoding="utf-8").splitlines(keepends=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(lines[1:])


def source(path: Path) -> FilesSettings:
    return FilesSettings(path=str(path), columns=COLUMNS)


def version(name: str, coverage: Coverage | None) -> ModelVersion:
    from zenml import save_artifact

    artifact = str(save_artifact(Incumbent(version=name), f"anything-{name}").id)
    kept = None if coverage is None else str(save_artifact(coverage, f"coverage-{name}").id)
    plain: dict[str, Any] = {"version": name, "artifact": artifact, "report": artifact, "recipe": name, "run": "run"}
    tested = None if coverage is None else artifact
    return ModelVersion(**plain, judged_against=None, metrics={}, examples=(), coverage=kept, held_out=tested)


def make_champion(model: str, one: ModelVersion) -> None:
    from orchestration.record import ZenmlRecord

    record = ZenmlRecord(model)
    record.add(one)
    record.move(nominate(record.read(), one.version))
    record.move(crown(record.read(), one.version))


def champion(model: str) -> ModelVersion:
    from orchestration.record import ZenmlRecord

    named = ZenmlRecord(model).read().named(Alias.CHAMPION)
    assert named is not None
    return named


def with_coverage(part: Part) -> PartOfSource:
    """As the step that reads rows has it."""
    from orchestration.freshness import load_coverage

    return part.beside(load_coverage(part.covered))


def night(model: str, path: Path, folder: Path, **changes: Any) -> tuple[int, Coverage]:
    """How many rows a run reads now, and what a version of it would cover."""
    from orchestration.freshness import rows_to_read
    from orchestration.record import ZenmlRecord

    named = ZenmlRecord(model).read().named(Alias.CHAMPION)
    read = rows_to_read(source(path), named, DAILY.model_copy(update=changes), None, None)
    dataset = source_of(source(path)).read_new(with_coverage(read.part), folder / uuid4().hex)
    return dataset.manifest.rows, coverage_after(dataset, with_coverage(read.part), None, source(path))


@pytest.fixture
def model() -> str:
    return f"m-{uuid4().hex[:8]}"


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


def test_a_champion_s_coverage_goes_with_it_back_and_forth(model: str, rows: Path, tmp_path: Path) -> None:
    from orchestration.freshness import load_coverage
    from orchestration.record import ZenmlRecord

    count, first = night(model, rows, tmp_path)
    assert count == 12
    make_champion(model, version("a1", first))
    append(rows, ("late", 1, 4), ("4-0", 4, 4))
    count, second = night(model, rows, tmp_path)
    assert count == 2
    make_champion(model, version("b2", second))
    append(rows, ("4-1", 4, 4), ("5-0", 5, 5))
    assert night(model, rows, tmp_path)[0] == 2

    record = ZenmlRecord(model)
    record.exchange("b2", "a1")
    assert load_coverage(champion(model).coverage) == first  # moved by the one write that moves the champion
    record.settle()
    assert night(model, rows, tmp_path)[0] == 4
    record.exchange("a1", "b2")
    record.settle()
    assert load_coverage(champion(model).coverage) == second


def test_a_registered_version_keeps_its_coverage_unless_that_is_lost(model: str, rows: Path, tmp_path: Path) -> None:
    from zenml.client import Client

    from orchestration.freshness import load_coverage, rows_to_read
    from orchestration.record import ZenmlRecord

    _, first = night(model, rows, tmp_path)
    record, one = ZenmlRecord(model), version("a1", first)
    record.add(version("a1", None))  # an earlier release kept none
    record.add(one)
    record.add(version("a1", Coverage()))
    assert record.get("a1").coverage == one.coverage
    assert one.coverage
    found = Client().get_artifact_version(UUID(one.coverage))
    for path in Path(found.uri).iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(EvergreenError, match=r"cannot be read, without which.*set refresh: {data: all} for one run"):
        rows_to_read(source(rows), record.get("a1"), DAILY, None, None)
    for path in Path(found.uri).iterdir():
        path.unlink()
    with pytest.raises(EvergreenError, match=r"is gone from the artifact store.*set refresh: {data: all} for one run"):
        rows_to_read(source(rows), record.get("a1"), DAILY, None, None)
    read = rows_to_read(source(rows), record.get("a1"), Refresh(data="all"), None, None)
    dataset = source_of(source(rows)).read(None, tmp_path / "all")
    after = coverage_after(dataset, with_coverage(read.part), None)
    assert rows_to_read(source(rows), version("b2", after), DAILY, None, None).words == "0 new to champion b2"
    record.add(version("a1", first))
    assert load_coverage(record.get("a1").coverage) == first


def lose(artifact: str | None) -> None:
    from zenml.client import Client

    assert artifact is not None
    for path in Path(Client().get_artifact_version(UUID(artifact)).uri).iterdir():
        path.unlink()


def missing(model: str, nowhere: Path) -> str:
    """Why no run goes on from the champion, as runs and `status` tell it, before the source is looked for."""
    from orchestration.freshness import rows_to_read
    from orchestration.status import status_of

    with pytest.raises(EvergreenError) as refused:
        rows_to_read(source(nowhere), champion(model), DAILY, None, None)
    with pytest.raises(EvergreenError, match=re.escape(str(refused.value))):
        rows_to_read(source(nowhere), champion(model), DAILY, None, STRETCH)
    shown = status_of(model, LocalHostSettings(port=0))
    assert shown.missing == str(refused.value)
    return str(refused.value)


def test_which_of_what_a_champion_keeps_is_lost_is_told_before_anything_is_read(
    model: str, rows: Path, tmp_path: Path
) -> None:
    from orchestration.status import status_of

    _, first = night(model, rows, tmp_path)
    make_champion(model, version("a1", first))
    kept, nowhere = champion(model), tmp_path / "nowhere.csv"
    assert status_of(model, LocalHostSettings(port=0)).missing is None
    lose(kept.held_out)
    assert missing(model, nowhere).startswith(f"the champion's HeldOut {kept.held_out} is gone from the artifact store")
    lose(kept.coverage)
    both = f"the champion's Coverage {kept.coverage} and HeldOut {kept.held_out} are gone from the artifact store"
    assert missing(model, nowhere).startswith(both)
    assert "set refresh: {data: all} for one run" in missing(model, nowhere)


def test_what_a_champion_keeps_in_another_stack_s_store_is_not_called_lost(
    model: str, rows: Path, tmp_path: Path, another_stack: str
) -> None:
    from zenml.client import Client

    from orchestration.freshness import rows_to_read

    _, first = night(model, rows, tmp_path)
    make_champion(model, version("a1", first))
    here = Client().active_stack_model.name
    Client().activate_stack(another_stack)
    told = missing(model, tmp_path / "nowhere.csv")
    assert f"in the artifact store of stack '{here}', not of this one; go on there (zenml stack set {here})" in told
    assert "gone" not in told
    Client().activate_stack(here)
    assert rows_to_read(source(rows), champion(model), DAILY, None, None).words == "0 new to champion a1"


def test_held_out_rows_go_with_the_version_and_are_replaced_when_they_are_lost(
    model: str, rows: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from zenml import save_artifact
    from zenml.client import Client

    from orchestration.artifacts import load_of_champion
    from orchestration.freshness import rows_to_read
    from orchestration.record import ZenmlRecord

    def kept(name: str) -> str:
        held = HeldOut.write(tmp_path, HeldOutManifest(files=(), rows=3))
        return str(save_artifact(held, name).id)

    def part(backfill: Backfill | None = None) -> Part:
        return rows_to_read(source(rows), champion(model), DAILY, None, backfill).part

    _, first = night(model, rows, tmp_path)
    plain = version("a1", first).model_copy(update={"held_out": None})
    make_champion(model, plain)
    append(rows, ("4-0", 4, 4), ("4-1", 4, 4))
    caplog.clear()
    assert (part().held_out, part().covered) == (None, None)  # a version of before this was kept
    assert caplog.text.count("a1 does not tell which rows it was tested on: all count as new") == 2
    assert "held_out" not in part().model_dump_json()

    later = version("b2", first).model_copy(update={"held_out": kept("held-b2")})
    make_champion(model, later)
    stretch = Backfill(start=datetime(2026, 5, 2, tzinfo=UTC), end=datetime(2026, 5, 3, tzinfo=UTC))
    assert part().held_out == part(stretch).held_out == later.held_out
    assert part().covered == part(stretch).covered == later.coverage
    assert len(part().model_dump_json()) < 500  # whatever the coverage holds: each quiet night stores it
    assert rows_to_read(source(rows), champion(model), Refresh(), None, None).part.held_out is None

    record, other = ZenmlRecord(model), kept("held-again")
    record.add(later.model_copy(update={"held_out": other}))
    assert record.get("b2").held_out == later.held_out
    assert later.held_out is not None
    for path in Path(Client().get_artifact_version(UUID(later.held_out)).uri).iterdir():
        path.unlink()
    with pytest.raises(EvergreenError, match=r"HeldOut .* is gone .*set refresh: {data: all} for one run"):
        load_of_champion(later.held_out, HeldOut)
    record.add(later.model_copy(update={"held_out": other}))
    assert record.get("b2").held_out == other
    record.exchange("b2", "a1")
    record.settle()
    assert part().held_out is None


def test_a_run_that_was_cut_off_before_the_champion_moved_reads_the_same_rows_again(
    model: str, rows: Path, tmp_path: Path
) -> None:
    from orchestration.freshness import rows_to_read
    from orchestration.record import ZenmlRecord

    _, first = night(model, rows, tmp_path)
    make_champion(model, version("a1", first))
    append(rows, ("4-0", 4, 4), ("4-1", 4, 4))

    def identified() -> Any:
        return rows_to_read(source(rows), champion(model), DAILY, None, None)

    before = identified()
    _, second = night(model, rows, tmp_path)
    ZenmlRecord(model).add(version("b2", second))
    assert identified() == before
    record = ZenmlRecord(model)
    record.move(nominate(record.read(), "b2"))
    assert identified() == before
    record.move(crown(record.read(), "b2"))
    assert (identified().words, identified().too_few) == ("0 new to champion b2", "nothing is trained on fewer than 2")


def test_too_few_new_rows_are_too_few_only_where_there_is_a_champion(model: str, rows: Path, tmp_path: Path) -> None:
    from orchestration.freshness import rows_to_read

    assert not rows_to_read(source(rows), None, Refresh(data="incremental", min_new_rows=100), None, None).too_few
    _, first = night(model, rows, tmp_path)
    make_champion(model, version("a1", first))
    append(rows, ("4-0", 4, 4))
    read = rows_to_read(source(rows), champion(model), DAILY, None, None)
    assert (read.words, read.too_few) == ("1 new to champion a1", "nothing is trained on fewer than 2")


@pytest.mark.parametrize("lacks", ["coverage", "held_out"])
def test_no_model_goes_on_from_a_champion_of_which_nothing_tells_what_it_was_trained_or_tested_on(
    model: str, rows: Path, tmp_path: Path, lacks: str
) -> None:
    from orchestration.freshness import rows_to_read

    _, first = night(model, rows, tmp_path)
    make_champion(model, version("a1", first).model_copy(update={lacks: None}))
    read = rows_to_read(source(rows), champion(model), DAILY, None, None)
    assert (read.goes_on, read.part.covered, read.too_few) == (False, None, None)
    assert read.words == "12 new to champion a1"
    stretch = Backfill(start=datetime(2026, 5, 2, tzinfo=UTC), end=datetime(2026, 5, 3, tzinfo=UTC))
    filled = rows_to_read(source(rows), champion(model), DAILY, None, stretch)
    assert (filled.goes_on, filled.part.covered) == (False, None)
    make_champion(model, version("b2", first))
    assert rows_to_read(source(rows), champion(model), DAILY, None, None).goes_on
    assert rows_to_read(source(rows), champion(model), DAILY, None, stretch).goes_on
    assert rows_to_read(source(rows), champion(model), Refresh(), None, None).goes_on is None


@pytest.mark.parametrize("changes", [{"timestamp": None}, {"timestamp": "arrived"}, {"arrived": "day"}, {"id": "text"}])
def test_rows_that_other_columns_would_tell_for_new_are_refused(
    model: str, rows: Path, tmp_path: Path, changes: dict[str, str | None]
) -> None:
    from orchestration.freshness import rows_to_read

    def given(columns: dict[str, str | None]) -> FilesSettings:
        return FilesSettings(path=str(rows), columns={name: column for name, column in columns.items() if column})

    other = given({**COLUMNS, **changes})
    for before, now in (given({**COLUMNS}), other), (other, given({**COLUMNS})):
        read = rows_to_read(before, None, DAILY, None, None)
        dataset = source_of(before).read_new(with_coverage(read.part), tmp_path / uuid4().hex)
        name = f"v{uuid4().hex[:8]}"  # ZenML refuses digits alone
        make_champion(model, version(name, coverage_after(dataset, with_coverage(read.part), None, before)))
        assert rows_to_read(before, champion(model), DAILY, None, None).words == f"0 new to champion {name}"
        with pytest.raises(
            InputError, match=r"known by .*arrived: .* would count as new; map them as before, or train"
        ):
            rows_to_read(now, champion(model), DAILY, None, None)
        rows_to_read(now, champion(model), Refresh(data="all"), None, None)


def champion_of(model: str, settings: FilesSettings, folder: Path) -> None:
    """Makes a version champion that was trained on all that the source holds."""
    from orchestration.freshness import rows_to_read

    read = rows_to_read(settings, None, DAILY, None, None)
    dataset = source_of(settings).read_new(with_coverage(read.part), folder / uuid4().hex)
    make_champion(model, version(f"v{uuid4().hex[:8]}", coverage_after(dataset, PartOfSource(), None, settings)))


TITLED = COLUMNS | {"text": ("label", "text")}


@pytest.mark.parametrize(
    ("fields", "differs"),
    [
        (
            ({"columns": TITLED}, {"columns": COLUMNS}),
            "columns.text: label [+] text, and source has columns.text: text",
        ),
        (
            ({"columns": TITLED}, {"columns": TITLED, "text_separator": " "}),
            "made by nothing, and source has text_separator:  :",
        ),
        (({"columns": COLUMNS | {"group": "day"}}, {"columns": COLUMNS}), "columns.group: day, and source has nothing"),
        (
            ({"columns": COLUMNS}, {"columns": COLUMNS, "encoding": "cp1252"}),
            "encoding: utf-8, and source has encoding: cp1252",
        ),
    ],
)
def test_rows_that_say_something_else_than_the_champion_read_are_refused(
    model: str, rows: Path, tmp_path: Path, fields: tuple[dict[str, Any], ...], differs: str
) -> None:
    from orchestration.freshness import rows_to_read

    then, other = (FilesSettings(path=str(rows), **one) for one in fields)
    champion_of(model, then, tmp_path)
    for backfill in (None, STRETCH):
        rows_to_read(then, champion(model), DAILY, None, backfill)
        with pytest.raises(InputError, match=rf"{differs}.* would be tested on; .* once with refresh: {{data: all}}"):
            rows_to_read(other, champion(model), DAILY, None, backfill)
    rows_to_read(other, champion(model), Refresh(data="all"), None, None)


def test_further_columns_and_other_names_of_classes_make_no_other_rows(model: str, rows: Path, tmp_path: Path) -> None:
    from orchestration.freshness import rows_to_read

    champion_of(model, source(rows), tmp_path)
    more = FilesSettings(path=str(rows), columns=COLUMNS | {"of": "day"}, label_names={"a": "A", "b": "B"})
    assert str(rows_to_read(more, champion(model), DAILY, None, None).words).startswith("0 new to champion")


def test_rows_of_another_place_are_refused_until_a_run_took_all_of_them(model: str, rows: Path, tmp_path: Path) -> None:
    from orchestration.freshness import rows_to_read

    folder, other = tmp_path / "loads", tmp_path / "other"
    for place in (folder, other):
        place.mkdir()
        shutil.copy(rows, place / "rows.csv")
    champion_of(model, source(folder), tmp_path)
    write(folder / "more.csv", [("4-0", 4, 4), ("4-1", 4, 4)])
    assert str(rows_to_read(source(folder / "."), champion(model), DAILY, None, None).words).startswith("2 new")
    for elsewhere in (other, folder / "*.csv"):
        with pytest.raises(InputError, match=r"read from .*path: .*loads, and source is .* never be read; .*data: all"):
            rows_to_read(source(elsewhere), champion(model), DAILY, None, None)
    read = rows_to_read(source(other), champion(model), Refresh(data="all"), None, None)
    dataset = source_of(source(other)).read(None, tmp_path / "all")
    make_champion(model, version("b2", coverage_after(dataset, with_coverage(read.part), None, source(other))))
    assert rows_to_read(source(other), champion(model), DAILY, None, None).words == "0 new to champion b2"


def test_the_step_that_fetches_keeps_how_the_source_was_read(rows: Path) -> None:
    from orchestration.freshness import rows_to_read
    from steps.fetch import fetch

    given = source(rows)
    for refresh in (DAILY, Refresh(data="all")):
        read = rows_to_read(given, None, refresh, None, None)
        _, kept = fetch.entrypoint(given, read.identity, read.part, code="")
        assert (kept.read_from, kept.shaped_by, kept.known_by) == (given.read_from, given.shaped_by, given.known_by)


def test_a_version_that_kept_neither_place_nor_shaping_is_gone_on_from(model: str, rows: Path, tmp_path: Path) -> None:
    from orchestration.freshness import rows_to_read

    _, kept = night(model, rows, tmp_path)
    before = Coverage.model_validate(kept.model_dump(exclude={"read_from", "shaped_by"}))
    assert (before.read_from, before.shaped_by) == (None, None)
    make_champion(model, version("a1", before))
    moved = rows.rename(tmp_path / "moved.csv")
    assert rows_to_read(source(moved), champion(model), DAILY, None, None).words == "0 new to champion a1"


@pytest.mark.parametrize(
    ("one", "same", "others"),
    [
        (
            {"kind": "bigquery", "project": "news-production", "table": "news.loads"},
            {"table": "news-production.news.loads", "location": "EU", "streams": 1},
            [{"table": "news.other"}, {"project": "news-staging"}],
        ),
        (
            {"kind": "huggingface", "name": "our-lab/news"},
            {"revision": "v2"},
            [{"name": "our-lab/other"}, {"config_name": "long"}, {"splits": ["train", "test"]}],
        ),
        (
            {"kind": "files", "path": "gs://news/loads"},
            {"path": "gs://news/loads/"},
            [{"path": "gs://news/other"}, {"path": "gs://news/loads/2026-*"}],
        ),
    ],
)
def test_a_place_is_told_by_what_decides_which_rows_there_are(
    one: dict[str, Any], same: dict[str, Any], others: list[dict[str, Any]]
) -> None:
    def read_from(fields: dict[str, Any]) -> dict[str, str]:
        settings: SourceSettings = TypeAdapter(kinds.AnySource).validate_python(one | fields)
        assert settings.shaped_by == TypeAdapter(kinds.AnySource).validate_python(one).shaped_by
        return settings.read_from

    assert read_from(same) == read_from({})
    assert all(read_from(other) != read_from({}) for other in others)


def test_a_backfill_reads_the_same_rows_every_time_and_adds_nothing(model: str, rows: Path, tmp_path: Path) -> None:
    from orchestration.freshness import rows_to_read
    from steps.fetch import fetch

    _, first = night(model, rows, tmp_path)
    make_champion(model, version("a1", first))
    stretch = Backfill(start=datetime(2026, 5, 2, tzinfo=UTC), end=datetime(2026, 5, 3, tzinfo=UTC))
    found = []
    for number in range(2):
        read = rows_to_read(source(rows), champion(model), DAILY, None, stretch)
        dataset, coverage = fetch.entrypoint(source(rows), read.identity, read.part, "code")
        assert (dataset.manifest.rows, dataset.manifest.source) == (4, read.identity)
        assert coverage == first
        found.append((read.identity.fingerprint, dataset.manifest.content_hash))
        append(rows, (f"more-{number}", 5 + number, 5 + number))  # of another day
    assert found[0] == found[1]
    append(rows, ("late", 2, 6))
    late = rows_to_read(source(rows), champion(model), DAILY, None, stretch).identity
    assert (late.rows, late.fingerprint != found[0][0]) == (5, True)


def test_a_backfill_of_rows_without_ids_is_known_by_what_they_say(rows: Path, tmp_path: Path) -> None:
    told = FilesSettings(path=str(rows), columns={name: COLUMNS[name] for name in COLUMNS if name != "id"})
    window = Backfill(start=datetime(2026, 5, 2, tzinfo=UTC), end=datetime(2026, 5, 3, tzinfo=UTC)).window
    first = read_stretch(told, window, tmp_path / "first").manifest.source
    head, *lines = rows.read_text(encoding="utf-8").splitlines()
    rows.write_text("\n".join([head, *reversed(lines)]), encoding="utf-8")  # each has another number by now
    assert read_stretch(told, window, tmp_path / "again").manifest.source.fingerprint == first.fingerprint


def test_a_window_covers_what_it_looked_at_and_no_more(rows: Path, tmp_path: Path) -> None:
    window = Backfill(start=datetime(2026, 5, 2, tzinfo=UTC), end=datetime(2026, 5, 3, tzinfo=UTC)).window
    dataset = source_of(source(rows)).read(window, tmp_path / "day")
    coverage = coverage_after(dataset, PartOfSource(lag="0"), window)
    last = datetime(2026, 5, 2, 23, 59, 59, 999_999, tzinfo=UTC)
    assert intervals(coverage) == (Interval(start=window.start, end=last),)
    found = source_of(source(rows)).find_new(PartOfSource(since=coverage, until=datetime(2027, 1, 1, tzinfo=UTC)))
    assert found.new == 8


def test_rows_of_a_champion_are_replayed_by_what_they_are_known_by(rows: Path, tmp_path: Path) -> None:
    write(rows, [(f"{number}", 1, 1) for number in range(1000)])
    until = datetime(2027, 1, 1, tzinfo=UTC)
    dataset = source_of(source(rows)).read_new(PartOfSource(until=until), tmp_path / "all")
    covered = coverage_after(dataset, PartOfSource(until=until), None)
    parts = {share: PartOfSource(since=covered, until=until, replay_share=share) for share in (0.0, 0.25, 1.0)}
    counts = {share: source_of(source(rows)).find_new(part) for share, part in parts.items()}
    assert [one.new for one in counts.values()] == [0, 0, 0]
    assert counts[0.0].replayed == 0
    assert 200 < counts[0.25].replayed < 300
    assert counts[1.0].replayed == 1000
    write(rows, [(f"{number}", 1, 1) for number in reversed(range(1000))])
    assert source_of(source(rows)).find_new(parts[0.25]).replayed == counts[0.25].replayed


def test_a_row_is_replayed_with_what_replaced_it(rows: Path, tmp_path: Path) -> None:
    write(rows, [(f"{number}", 1, arrived) for arrived in (1, 2) for number in range(400)])
    part, reader = PartOfSource(until=datetime(2027, 1, 1, tzinfo=UTC)), source_of(source(rows))
    covered = coverage_after(reader.read_new(part, tmp_path / "all"), part, None)
    read = reader.read_new(part.model_copy(update={"since": covered, "replay_share": 0.5}), tmp_path / "some")
    times = Counter(name for batch in iter_batches(read.shards, ["id"]) for name in batch.column("id").to_pylist())
    assert 100 < len(times) < 300
    assert set(times.values()) == {2}


@pytest.mark.parametrize("column", ["day", "arrived"])
def test_rows_without_a_time_are_refused_or_left_out_or_known_by_their_id(
    rows: Path, tmp_path: Path, column: str
) -> None:
    until, place = datetime(2027, 1, 1, tzinfo=UTC), ["id", "text", "label", "day", "arrived"].index(column)
    lines = [line.split(",") for line in rows.read_text(encoding="utf-8").splitlines()]
    lines[3][place] = ""
    rows.write_text("\n".join(",".join(line) for line in lines), encoding="utf-8")
    reader = source_of(source(rows))
    with pytest.raises(InputError, match=r"row 1-2 has no time, .* set refresh.null_times to include or leave_out"):
        reader.find_new(PartOfSource(until=until))
    left = reader.read_new(PartOfSource(until=until, null_times="leave_out"), tmp_path / "left")
    assert left.manifest.intake
    assert left.manifest.intake.left_out == {"row without a time": 1}
    part = PartOfSource(until=until, null_times="include")
    taken = reader.read_new(part, tmp_path / "taken")
    assert taken.manifest.rows == 12
    again = part.model_copy(update={"since": coverage_after(taken, part, None)})
    assert reader.find_new(again).new == 0


@pytest.mark.parametrize("name", ["", "  "])
def test_rows_without_an_id_are_refused(rows: Path, name: str) -> None:
    append(rows, (name, 4, 4), (name, 4, 4))
    for null_times in ("refuse", "include", "leave_out"):
        part = PartOfSource(until=datetime(2027, 1, 1, tzinfo=UTC), null_times=null_times)
        with pytest.raises(InputError, match=r"arrived at 2026-05-04 10:00:00\+00:00 has no id, .*; fill the column"):
            source_of(source(rows)).find_new(part)


def test_a_row_that_changes_between_identification_and_reading_is_noticed(rows: Path, tmp_path: Path) -> None:
    reader, until = source_of(source(rows)), datetime(2027, 1, 1, tzinfo=UTC)
    found = reader.find_new(PartOfSource(until=until))
    append(rows, ("5-0", 5, 5))  # after what was looked up to
    same = reader.read_new(found.part, tmp_path / "same")
    assert same.manifest.source.fingerprint == found.identity.fingerprint
    rows.write_text(rows.read_text(encoding="utf-8").replace("text 1-0", "text 1-?"), encoding="utf-8")
    other = reader.read_new(found.part, tmp_path / "other")
    assert other.manifest.source.fingerprint != found.identity.fingerprint


FILES = {"kind": "files", "path": "rows.csv"}
BIGQUERY = {"kind": "bigquery", "project": "news-production", "table": "news.articles"}


@pytest.mark.parametrize(
    ("source", "refresh", "window", "message"),
    [
        (
            FILES,
            {"data": "incremental"},
            None,
            r"needs a column that tells when a row came and one .* which row it is; set",
        ),
        (FILES | {"columns": {"id": "id"}}, {"data": "incremental"}, None, "set source.columns.arrived, or data: all"),
        (
            FILES | {"arrived": "ingestion"},
            {},
            None,
            "is for objects of a bucket .* and 'rows.csv' is none: the times",
        ),
        (
            FILES | {"path": "gs://news/loads", "arrived": "ingestion", "columns": COLUMNS},
            {},
            None,
            "columns.arrived and arrived both tell when a row came; remove one",
        ),
        (
            BIGQUERY | {"table": None, "query_file": "news.sql", "arrived": "ingestion"},
            {},
            None,
            "arrived: ingestion is for a table",
        ),
        (BIGQUERY | {"arrived": "ingestion"}, {"data": "incremental"}, None, "set source.columns.id, or data: all"),
        (
            {"kind": "huggingface", "name": "fancyzhx/ag_news", "arrived": "ingestion"},
            {},
            None,
            "arrived: ingestion is for sources of kind bigquery and files; set columns.arrived",
        ),
        (
            FILES | {"columns": COLUMNS},
            {"data": "incremental"},
            {"length": "2d"},
            "remove window, or set data: sliding",
        ),
        (FILES | {"columns": COLUMNS}, {"data": "all"}, {"length": "2d"}, "reads every row, and a window is set"),
        (FILES, {"data": "sliding"}, None, "needs the length of the window; set window"),
        (
            {"kind": "shapes"},
            {"data": "incremental"},
            None,
            "source of kind shapes does not tell which of its rows are new",
        ),
        (FILES, {}, {"length": "2d"}, "which no column gives; set source.columns.timestamp or no window"),
        ({"kind": "shapes"}, {}, {"length": "2d"}, "generated pictures have no time"),
        (FILES, {"data": "incremental", "replay": 1}, None, "replay_share"),
        (FILES, {"lag": "soon"}, None, "lag"),
    ],
)
def test_a_configuration_that_cannot_tell_what_is_new_is_refused(
    tmp_path: Path, source: dict[str, Any], refresh: dict[str, Any], window: Any, message: str
) -> None:
    from orchestration.configuration import CONFIGS_DIRECTORY, load
    from pipelines.training import training

    document = yaml.safe_load((CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8"))
    document["parameters"] |= {"source": source, "refresh": refresh, "window": window}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load(path, training)


def test_a_backfill_needs_the_time_of_each_row_which_is_told_before_any_step(tmp_path: Path, rows: Path) -> None:
    from orchestration.configuration import CONFIGS_DIRECTORY, load
    from pipelines.training import training

    document = yaml.safe_load((CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8"))
    path, stretch = tmp_path / "own.yaml", {"start": "2026-05-02T00:00:00Z", "end": "2026-05-03T00:00:00Z"}
    for columns in (COLUMNS, {name: column for name, column in COLUMNS.items() if name != "timestamp"}):
        document["parameters"]["source"] = {"kind": "files", "path": str(rows), "columns": columns}
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        if "timestamp" in columns:
            assert load(path, training, backfill=stretch).parameters.backfill
            continue
        assert load(path, training).parameters.backfill is None
        with pytest.raises(InputError, match=r"parameters\.backfill.*set source.columns.timestamp"):
            load(path, training, backfill=stretch)


def test_the_command_line_takes_a_stretch_of_time_for_a_backfill(capsys: pytest.CaptureFixture[str]) -> None:
    from commands.parser import parse

    args = parse(["--config", "local.yaml", "--window", "2024-05-01..2024-05-08T06:00+02:00"])
    assert args.window == {"start": "2024-05-01T00:00:00+00:00", "end": "2024-05-08T06:00:00+02:00"}
    for wrong in ("2024-05-01", "yesterday..today", "a..b..c"):
        with pytest.raises(SystemExit):
            parse(["--config", "local.yaml", "--window", wrong])
    assert "is no START..END" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse(["--config", "local.yaml", "--scheduled", "--window", "2024-05-01..2024-05-08"])

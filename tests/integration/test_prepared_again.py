"""Raw data that arrive, change and go between preparations: what is written anew, and what others see meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evergreen.adapters.files.find import Disk
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.artifacts import SourceIdentity
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.intake import IntakeCount
from evergreen.core.members import source_of
from evergreen.core.part import PartOfSource
from evergreen.core.preparation import PreparationReport
from evergreen.data.freshness import coverage_after
from evergreen.data.shards import iter_batches
from evergreen.preparation import LocalRunnerSettings, Preparation, runners
from evergreen.preparation.plan import Plan, plan_of
from evergreen.preparation.run import prepare, work_of
from evergreen.tasks.text_classification.settings import TextClassification
from tests.counted_checksums import counted_checksums
from tests.rows import rows_of

pytestmark = pytest.mark.usefixtures("beam_in_this_process")

COLUMNS = {"id": "id"}


def arrived(folder: Path, name: str, *texts: str) -> None:
    """A raw file of these texts, whose ids are the first words of each."""
    folder.mkdir(exist_ok=True)
    rows = (f'{{"id": "{text.split()[0]}", "text": "{text}", "label": "a"}}\n' for text in texts)
    (folder / name).write_text("".join(rows), encoding="utf-8")


def plan(folder: Path, **changes: Any) -> Plan:
    origin = FilesSettings(path=str(folder / "raw"), columns=COLUMNS)
    settings: dict[str, Any] = {"origin": origin, "runner": LocalRunnerSettings(workers=1)} | changes
    target = FilesSettings(path=str(folder / "prepared"), columns=COLUMNS)
    return plan_of(Preparation(**settings), TextClassification(encoder="any", labels=("a", "b")), target)


def run(folder: Path, **changes: Any) -> PreparationReport:
    return prepare(plan(folder, **changes))[0]


def identity(folder: Path) -> SourceIdentity:
    return source_of(FilesSettings(path=str(folder / "prepared"), columns=COLUMNS)).identity(None)


def ids(folder: Path, out: str = "out") -> set[str]:
    source = FilesSettings(path=str(folder / "prepared"), columns=COLUMNS)
    dataset = source_of(source).read(None, folder / out)
    return {row["id"] for batch in iter_batches(dataset.shards) for row in batch.to_pylist()}


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """When each file was last written, and as which inode."""
    return {one.name: (one.stat().st_mtime_ns, one.stat().st_ino) for one in (folder / "prepared").iterdir()}


def test_nothing_new_writes_nothing_and_needs_no_beam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived(tmp_path / "raw", "1.jsonl", "1 one", "2 two")
    assert run(tmp_path).written == 1
    before, found = written(tmp_path), identity(tmp_path)
    monkeypatch.setattr("evergreen.preparation.run.find_spec", lambda _: None)
    report = run(tmp_path)
    assert (report.written, report.parts, report.intake.read) == (0, 1, 2)
    assert written(tmp_path) == before
    assert identity(tmp_path) == found
    assert found.atomic


@pytest.mark.parametrize("kind", ["jsonl", "text_folders"])
def test_a_run_with_nothing_new_reads_each_raw_file_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    raw = tmp_path / "raw"
    if kind == "text_folders":
        (raw / "a").mkdir(parents=True)
        for name in ("1.txt", "2.txt"):
            (raw / "a" / name).write_text(f"{name} text", encoding="utf-8")
        given = plan(tmp_path, origin=FilesSettings(path=str(raw)))
    else:
        arrived(raw, "1.jsonl", "1 one")
        arrived(raw, "2.jsonl", "2 two")
        given = plan(tmp_path)
    read = counted_checksums(monkeypatch)
    assert len(work_of(given).parts) == (1 if kind == "text_folders" else 2)
    assert len(read) == 2
    assert set(read.values()) == {1}


def test_what_arrives_is_added_and_what_was_prepared_before_is_not_written_again(tmp_path: Path) -> None:
    arrived(tmp_path / "raw", "2.jsonl", "1 one")
    run(tmp_path)
    before = written(tmp_path)
    arrived(tmp_path / "raw", "1.jsonl", "2 two")
    report = run(tmp_path)
    assert (report.written, report.parts, report.shards) == (1, 2, 2)
    assert ids(tmp_path) == {"1", "2"}
    kept = {name: at for name, at in before.items() if name.endswith(".parquet")}
    assert kept.items() <= written(tmp_path).items()


def test_files_that_change_or_go_take_their_rows_along(tmp_path: Path) -> None:
    arrived(tmp_path / "raw", "1.jsonl", "1 one")
    arrived(tmp_path / "raw", "2.jsonl", "2 two")
    run(tmp_path)
    arrived(tmp_path / "raw", "2.jsonl", "3 three")
    assert run(tmp_path).written == 1
    assert ids(tmp_path, "a") == {"1", "3"}
    (tmp_path / "raw" / "1.jsonl").unlink()
    assert run(tmp_path).written == 0
    assert ids(tmp_path, "b") == {"3"}


def test_the_same_raw_data_give_the_same_set_however_they_arrived(tmp_path: Path) -> None:
    for at_once in (False, True):
        folder = tmp_path / str(at_once)
        folder.mkdir()
        for name in ("b.jsonl", "a.jsonl"):
            arrived(folder / "raw", name, f"{name} text")
            if not at_once:
                run(folder)
        run(folder)
    assert identity(tmp_path / "True").fingerprint == identity(tmp_path / "False").fingerprint


def test_a_row_that_repeats_one_of_another_file_moves_as_if_all_were_prepared_at_once(tmp_path: Path) -> None:
    arrived(tmp_path / "raw", "1.jsonl", "20 same", "3 other")
    (tmp_path / "raw" / "2.jsonl").write_text('{"id": "7", "text": "alone", "label": "a"}\n', encoding="utf-8")
    run(tmp_path, deduplicate=True)
    before = written(tmp_path)
    (tmp_path / "raw" / "3.jsonl").write_text('{"id": "9", "text": "20 same", "label": "a"}\n', encoding="utf-8")
    report = run(tmp_path, deduplicate=True)
    assert report.written == 2  # the new one, and the one whose row has a smaller id elsewhere now
    assert ids(tmp_path) == {"3", "7", "9"}
    assert len(before.items() & written(tmp_path).items()) >= 1
    assert run(tmp_path, deduplicate=True).written == 0


def test_other_code_or_rules_prepare_all_anew_and_other_machines_nothing(tmp_path: Path) -> None:
    arrived(tmp_path / "raw", "1.jsonl", "1 one")
    run(tmp_path)
    assert run(tmp_path, runner=LocalRunnerSettings(workers=3), max_bad_share=0.5).written == 0
    given = plan(tmp_path)
    other = Plan(given.preparation, given.task, given.columns, given.folder, code="edited")
    assert prepare(other)[0].written == 1


@pytest.mark.parametrize("writes", range(6))
def test_a_crash_between_any_two_writes_leaves_the_old_set_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Every move and every removal counts as a write; the new set has two more shards than the old one."""
    arrived(tmp_path / "raw", "1.jsonl", "1 one")
    run(tmp_path)
    for name in ("2.jsonl", "3.jsonl"):
        arrived(tmp_path / "raw", name, f"{name} new")
    from fsspec.implementations.local import LocalFileSystem

    left = [writes]
    original = LocalFileSystem.mv

    def crashing(self: Any, *places: Any, **options: Any) -> None:
        if "_preparing-" not in str(places[1]):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
        original(self, *places, **options)

    monkeypatch.setattr(LocalFileSystem, "mv", crashing)
    with monkeypatch.context() as stuck:
        stuck.setattr("evergreen.preparation.run._clean", lambda _: None)  # nobody tidies up after a crash
        try:
            run(tmp_path)
        except KeyboardInterrupt:
            assert ids(tmp_path, "crashed") in ({"1"}, {"1", "2.jsonl", "3.jsonl"})
    left[0] = 100
    run(tmp_path)
    assert ids(tmp_path, "again") == {"1", "2.jsonl", "3.jsonl"}
    assert not list((tmp_path / "prepared").glob("_preparing-*"))


def test_what_a_preparation_by_other_rules_left_unfinished_goes_once_the_set_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived(tmp_path / "raw", "1.jsonl", "1 one")
    with monkeypatch.context() as killed:
        killed.setattr("evergreen.preparation.run._clean", lambda _: None)  # nobody tidies up after a kill
        killed.setattr("evergreen.preparation.run.store", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception, match="killed"):
            run(tmp_path, deduplicate=True)
    assert list((tmp_path / "prepared").glob("_preparing-*/*.parquet"))
    run(tmp_path)
    assert not list((tmp_path / "prepared").glob("_preparing-*"))
    assert ids(tmp_path) == {"1"}


def test_a_reader_of_before_finds_its_files_until_the_set_changes_once_more(tmp_path: Path) -> None:
    arrived(tmp_path / "raw", "1.jsonl", "1 one")
    run(tmp_path)
    source = source_of(FilesSettings(path=str(tmp_path / "prepared"), columns=COLUMNS))
    raw = source.raw()
    assert raw is not None
    (part,) = raw.parts  # as a run has it that listed the files a moment ago
    arrived(tmp_path / "raw", "1.jsonl", "2 two")
    run(tmp_path)
    assert [row["id"] for batch in part.rows(IntakeCount()) for row in batch.to_pylist()] == ["1"]
    arrived(tmp_path / "raw", "1.jsonl", "3 three")
    run(tmp_path)
    assert len(list((tmp_path / "prepared").glob("*.parquet"))) == 2  # of now, and of just before
    assert ids(tmp_path) == {"3"}


def test_a_set_that_an_earlier_version_left_without_a_list_is_replaced_by_one_with(tmp_path: Path) -> None:
    arrived(tmp_path / "raw", "1.jsonl", "1 one")
    run(tmp_path)
    folder = tmp_path / "prepared"
    (folder / "_prepared.json").unlink()
    (shard,) = folder.glob("*.parquet")
    shard.rename(folder / "prepared-0123456789ab-00000-00000.parquet")
    (folder / "_rejected.jsonl").write_text("{}\n")
    assert ids(tmp_path, "a") == {"1"}
    run(tmp_path)
    assert ids(tmp_path, "b") == {"1"}
    assert not (folder / "_rejected.jsonl").exists()


def test_raw_data_that_change_while_they_are_read_stop_the_preparation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived(tmp_path / "raw", "1.jsonl", "1 one")
    run(tmp_path)
    arrived(tmp_path / "raw", "2.jsonl", "2 two")
    original = runners.run

    def late(*given: Any) -> None:
        arrived(tmp_path / "raw", "2.jsonl", "9 nine")
        original(*given)

    monkeypatch.setattr(runners, "run", late)
    with pytest.raises(EvergreenError, match="raw data changed while they were read; run again"):
        run(tmp_path)
    assert ids(tmp_path) == {"1"}


def test_a_set_whose_shard_somebody_removed_is_told_and_prepared_again(tmp_path: Path) -> None:
    arrived(tmp_path / "raw", "1.jsonl", "1 one")
    run(tmp_path)
    (shard,) = (tmp_path / "prepared").glob("*.parquet")
    shard.unlink()
    with pytest.raises(EvergreenError, match=r"lacks files that its _prepared\.json names; prepare it again"):
        identity(tmp_path)
    assert run(tmp_path).written == 1
    assert ids(tmp_path) == {"1"}


def test_a_stricter_limit_holds_for_what_was_prepared_before(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "1.jsonl").write_text(
        '{"id": "1", "text": "one", "label": "a"}\n{"id": "2", "text": "two", "label": "c"}\n', encoding="utf-8"
    )
    assert run(tmp_path, max_bad_share=0.5).intake.read == 1
    with pytest.raises(InputError, match="1 of 2 rows cannot be used"):
        run(tmp_path)
    assert ids(tmp_path) == {"1"}


@pytest.mark.parametrize("is_same", [True, False])
def test_of_two_preparations_at_once_one_stops_and_the_set_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_same: bool
) -> None:
    arrived(tmp_path / "raw", "1.jsonl", "1 one")
    run(tmp_path)
    arrived(tmp_path / "raw", "2.jsonl", "2 two")
    original = runners.run

    def overtaken(*given: Any) -> None:
        original(*given)
        monkeypatch.setattr(runners, "run", original)
        run(tmp_path, deduplicate=not is_same)  # another one, from its beginning to its end

    monkeypatch.setattr(runners, "run", overtaken)
    with pytest.raises(EvergreenError, match="by somebody else meanwhile"):
        run(tmp_path)
    assert ids(tmp_path) == {"1", "2"}
    assert not list((tmp_path / "prepared").glob("_preparing-*"))


def test_prepared_rows_know_when_a_bucket_got_what_they_are_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    came = datetime(2026, 1, 4, tzinfo=UTC)
    monkeypatch.setattr(Disk, "created", lambda *_: came)  # as a bucket tells it
    arrived(tmp_path / "raw", "1.jsonl", "1 one")
    columns = COLUMNS | {"arrived": "arrived"}
    origin = FilesSettings(path=str(tmp_path / "raw"), columns=COLUMNS)
    target = FilesSettings(path=str(tmp_path / "prepared"), columns=columns)
    preparation = Preparation(origin=origin, runner=LocalRunnerSettings(workers=1))
    told = preparation.model_copy(update={"origin": origin.model_copy(update={"arrived": "ingestion"})})
    prepare(plan_of(told, TextClassification(encoder="any", labels=("a", "b")), target))
    found = source_of(target).find_new(PartOfSource(until=datetime(2026, 2, 1, tzinfo=UTC)))
    dataset = source_of(target).read_new(found.part, tmp_path / "new")
    assert [(row["id"], row["arrived"]) for row in rows_of(dataset.shards)] == [("1", came)]
    since = coverage_after(dataset, found.part, None)
    assert source_of(target).find_new(found.part.model_copy(update={"since": since})).new == 0

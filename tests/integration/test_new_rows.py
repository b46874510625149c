"""Which rows of files are new, which are read once more, and how they are known."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.coverage import intervals
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from evergreen.core.part import PartOfSource
from evergreen.core.refresh import Backfill
from evergreen.core.window import Interval
from evergreen.data.freshness import coverage_after
from evergreen.data.latest import latest_rows
from evergreen.data.rows_digest import RowsDigest
from evergreen.data.shards import iter_batches
from evergreen.data.stretch import read_stretch
from tests.dated_rows import COLUMNS, append, source, write


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


@pytest.mark.parametrize("replay", [0.0, 0.5])
def test_rows_that_were_counted_are_known_without_another_look_at_them(
    rows: Path, tmp_path: Path, replay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, until = source_of(source(rows)), datetime(2027, 1, 1, tzinfo=UTC)
    since = coverage_after(reader.read_new(PartOfSource(until=until), tmp_path / "old"), PartOfSource(lag="0"), None)
    append(rows, *((f"6-{number}", 6, 6) for number in range(5)))
    found = reader.find_new(PartOfSource(since=since, until=until, replay_share=replay))
    looks: list[int] = []
    add = RowsDigest.add

    def noted(digest: RowsDigest, batch: pa.RecordBatch) -> None:
        looks.append(batch.num_rows)
        add(digest, batch)

    monkeypatch.setattr(RowsDigest, "add", noted)
    known = reader.read_new(found.part, tmp_path / "known")
    assert not looks
    told = reader.read_new(found.part.model_copy(update={"counted": None}), tmp_path / "told")
    append(rows, ("7-0", 8, 8))  # the files are others by now, the part's rows are not
    written = reader.read_new(found.part, tmp_path / "written")
    fingerprints = {one.manifest.source.fingerprint for one in (known, told, written)}
    assert fingerprints == {found.identity.fingerprint}
    assert sum(looks) == 2 * (found.new + found.replayed)
    assert found.new == 5


def test_rows_of_one_id_count_as_one_new_row(rows: Path, tmp_path: Path) -> None:
    reader, part = source_of(source(rows)), PartOfSource(until=datetime(2027, 1, 1, tzinfo=UTC))
    known = reader.find_new(part).new
    append(rows, *[("again", 5, 5)] * 5)
    found = reader.find_new(part)
    assert found.new == known + 1
    assert f"({known + 1} new rows)" in found.identity.description
    assert latest_rows(reader.read_new(found.part, tmp_path / "read"), tmp_path / "latest").manifest.rows == known + 1


def test_rows_that_are_all_to_come_are_told_where_there_are_no_others(rows: Path, tmp_path: Path) -> None:
    write(rows, [("a", 5, 5), ("b", 5, 5)])
    told = r"no rows in .*: all of 2 are left out: 2 rows of a time after the run began \(a, b\)"
    with pytest.raises(InputError, match=told):
        source_of(source(rows)).read_new(PartOfSource(until=datetime(2026, 1, 1, tzinfo=UTC)), tmp_path / "read")


def test_a_row_that_changes_between_identification_and_reading_is_noticed(rows: Path, tmp_path: Path) -> None:
    reader, until = source_of(source(rows)), datetime(2027, 1, 1, tzinfo=UTC)
    found = reader.find_new(PartOfSource(until=until))
    append(rows, ("5-0", 5, 5))  # after what was looked up to
    same = reader.read_new(found.part, tmp_path / "same")
    assert same.manifest.source.fingerprint == found.identity.fingerprint
    rows.write_text(rows.read_text(encoding="utf-8").replace("text 1-0", "text 1-?"), encoding="utf-8")
    other = reader.read_new(found.part, tmp_path / "other")
    assert other.manifest.source.fingerprint != found.identity.fingerprint

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from evergreen.core.artifacts import ResolvedWindow
from evergreen.requestlog import parts, spool
from evergreen.requestlog.__main__ import main
from evergreen.requestlog.parts import enforce, turn_into_parquet, unfinished
from evergreen.requestlog.reading import FolderLog
from evergreen.requestlog.record import line_of, row_of
from evergreen.requestlog.spool import Spool
from tests.noted import ALWAYS, Seeing, last_hour, request, rows


def write(spooled: Spool, *values: int, ago_s: float = 0.0) -> None:
    predictor = Seeing()
    seen = predictor.observe(values, values)
    spooled.write("news", request(ago_s=ago_s), [row_of(index, one) for index, one in enumerate(seen)])


def filled(folder: Path, *values: int, ago_s: float = 0.0) -> Path:
    """A finished file of one line a value."""
    before = set(folder.glob("[!.]*.jsonl"))
    spooled = Spool(folder, lambda: "v")
    for value in values:
        write(spooled, value, ago_s=ago_s)
    spooled.close()
    (made,) = set(folder.glob("[!.]*.jsonl")) - before
    return made


def noted(folder: Path, window: ResolvedWindow = ALWAYS) -> list[str]:
    return sorted(row["prediction"] for row in rows(FolderLog(folder), window))


def test_what_is_being_written_can_be_read_and_is_left_to_its_writer(tmp_path: Path) -> None:
    writing = Spool(tmp_path, lambda: "v")
    write(writing, 1)
    assert noted(tmp_path) == ["class 1"]
    assert unfinished(tmp_path) == []
    assert turn_into_parquet(tmp_path) == 0
    write(writing, 2)
    writing.close()
    assert turn_into_parquet(tmp_path) == 1
    assert noted(tmp_path) == ["class 1", "class 2"]
    assert [path.suffix for path in tmp_path.iterdir()] == [".parquet"]


def test_lines_and_parts_give_the_same_rows(tmp_path: Path) -> None:
    filled(tmp_path, *range(50))
    before = rows(FolderLog(tmp_path))
    turn_into_parquet(tmp_path)
    assert rows(FolderLog(tmp_path)) == before
    assert len(before) == 50


def test_a_torn_line_is_skipped_and_counted_also_after_it_became_a_part(tmp_path: Path) -> None:
    path = filled(tmp_path, 1, 2, 3)
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(whole[0] + b"no line\n" + whole[1] + whole[2][: len(whole[2]) // 2])
    for _ in range(2):
        read = FolderLog(tmp_path).read(ALWAYS)
        assert sum(batch.num_rows for batch in read) == 2
        assert read.skipped == 2
        turn_into_parquet(tmp_path)
    assert len(list(tmp_path.glob("*.parquet"))) == 1


def test_a_damaged_part_is_skipped_and_counted_and_hides_no_other(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    turn_into_parquet(tmp_path)
    (torn,) = tmp_path.glob("*.parquet")
    torn.write_bytes(torn.read_bytes()[:200])
    filled(tmp_path, 2)
    read = FolderLog(tmp_path).read(ALWAYS)
    assert [row["prediction"] for batch in read for row in batch.to_pylist()] == ["class 2"]
    assert read.skipped == 1


@pytest.mark.parametrize("value", ['"status":"a lot"', '"status":99999999', '"status":null'])
def test_a_value_of_another_type_costs_its_own_row_alone(tmp_path: Path, value: str) -> None:
    path = filled(tmp_path, 1, 2, 3)
    first, second, third = path.read_text().splitlines()
    path.write_text("\n".join([first, second.replace('"status":200', value), third, ""]))
    read = FolderLog(tmp_path).read(ALWAYS)
    kept = [row["prediction"] for batch in read for row in batch.to_pylist()]
    assert (kept, read.skipped) == (["class 1", "class 3"], 1)


def test_a_window_takes_the_requests_that_came_in_it(tmp_path: Path) -> None:
    filled(tmp_path, 1, ago_s=7200)
    filled(tmp_path, 2, ago_s=600)
    assert noted(tmp_path, last_hour()) == ["class 2"]
    turn_into_parquet(tmp_path)
    assert noted(tmp_path, last_hour()) == ["class 2"]
    before = last_hour()
    earlier = ResolvedWindow(start=before.start - timedelta(hours=2), end=before.start)
    assert noted(tmp_path, earlier) == ["class 1"]


def test_a_half_open_window_has_its_start_and_not_its_end(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    (row,) = rows(FolderLog(tmp_path))
    at, after = row["time"], row["time"] + timedelta(milliseconds=1)
    for _ in range(2):
        assert noted(tmp_path, ResolvedWindow(start=at, end=after)) == ["class 1"]
        assert noted(tmp_path, ResolvedWindow(start=at - timedelta(hours=1), end=at)) == []
        turn_into_parquet(tmp_path)


def test_an_end_between_part_and_lines_gives_no_row_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path, 1, 2)

    def die(self: Path, missing_ok: bool = False) -> None:
        if self.suffix == ".jsonl":
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            turn_into_parquet(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert noted(tmp_path) == ["class 1", "class 2"]
    turn_into_parquet(tmp_path)
    assert noted(tmp_path) == ["class 1", "class 2"]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_ends_by_size_and_by_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000_000.0]
    writing = Spool(tmp_path, lambda: "v", lambda: clock[0])
    write(writing, 1)
    writing.flush()
    assert unfinished(tmp_path) == []
    clock[0] += spool.MOST_AGE_S
    writing.flush()
    assert len(unfinished(tmp_path)) == 1
    monkeypatch.setattr(spool, "MOST_BYTES", 10)
    write(writing, 2)
    writing.flush()
    assert len(unfinished(tmp_path)) == 2
    assert noted(tmp_path) == ["class 1", "class 2"]


def test_old_files_and_the_oldest_of_too_many_are_removed(tmp_path: Path) -> None:
    paths = [filled(tmp_path / "a", value) for value in range(4)]
    folder, names = tmp_path / "a", [f"2026050{day}T000000-v-1-aaaa.jsonl" for day in range(1, 5)]
    paths = [path.rename(folder / name) for path, name in zip(paths, names, strict=True)]
    os.utime(paths[0], (time.time() - 3 * 86400,) * 2)
    assert enforce(folder, keep_days=2, most_bytes=10**9) == 1
    size = paths[3].stat().st_size
    assert enforce(folder, keep_days=2, most_bytes=2 * size) == 1
    assert sorted(path.name for path in folder.iterdir()) == names[2:]


def test_what_is_being_written_is_never_removed(tmp_path: Path) -> None:
    writing = Spool(tmp_path, lambda: "v")
    write(writing, 1)
    assert enforce(tmp_path, keep_days=0.0, most_bytes=0) == 0
    assert noted(tmp_path) == ["class 1"]


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert noted(tmp_path / "nowhere") == []
    assert main([str(tmp_path / "nowhere"), "30", "1000"]) == 0


def test_a_full_disk_keeps_the_lines_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path, 1)

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parts, "_settle", full)
    assert main([str(tmp_path), "30", "1000000"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert [path.suffix for path in tmp_path.iterdir()] == [".jsonl"]
    assert noted(tmp_path) == ["class 1"]


def test_a_line_that_a_full_disk_cut_off_spoils_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = Spool(tmp_path, lambda: "v")
    write(writing, 1)
    put, calls = os.write, []

    def half_then_full(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return put(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half_then_full)
        with pytest.raises(OSError, match="No space left"):
            write(writing, 2)
    write(writing, 3)
    writing.close()
    assert noted(tmp_path) == ["class 1", "class 3"]


def test_memory_does_not_grow_with_rows(tmp_path: Path) -> None:
    predictor = Seeing()
    seen = [row_of(index, one) for index, one in enumerate(predictor.observe(range(500), [0.0] * 500))]
    line = line_of("news", request(), seen) + "\n"
    (tmp_path / "20260504T000000-v-1-aaaa.jsonl").write_text(line * 60)
    sizes = [batch.num_rows for batch in FolderLog(tmp_path).read(ALWAYS)]
    assert sum(sizes) == 30_000
    assert max(sizes) < 6000
    turn_into_parquet(tmp_path)
    sizes = [batch.num_rows for batch in FolderLog(tmp_path).read(ALWAYS)]
    assert sum(sizes) == 30_000
    assert max(sizes) < 6000
    (part,) = tmp_path.glob("*.parquet")
    assert pq.ParquetFile(part).num_row_groups > 1


def test_what_servers_and_front_import_brings_no_arrow() -> None:
    code = (
        "import sys, evergreen.serving.server, evergreen.adapters.local_endpoint.front, evergreen.requestlog.reading; "
        "assert not {'pyarrow', 'torch', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])

"""What a champion covers, in a real ZenML store: it goes with the version, and is told where it is lost."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.core.artifacts import HeldOut, HeldOutManifest
from evergreen.core.coverage import Coverage
from evergreen.core.errors import EvergreenError
from evergreen.core.members import source_of
from evergreen.core.part import Part
from evergreen.core.refresh import Backfill, Refresh
from evergreen.core.versions import crown, nominate
from evergreen.data.freshness import coverage_after
from tests.champions import DAILY, champion, make_champion, night, version, with_coverage
from tests.dated_rows import append, source

pytestmark = pytest.mark.usefixtures("zenml_home")
STRETCH = Backfill(start=datetime(2026, 5, 2, tzinfo=UTC), end=datetime(2026, 5, 3, tzinfo=UTC))


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

"""What no night goes on from: a champion whose rows were read in another way, or of which too little is kept."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import TypeAdapter

from evergreen.adapters import kinds
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.coverage import Coverage
from evergreen.core.errors import InputError
from evergreen.core.members import SourceSettings, source_of
from evergreen.core.part import PartOfSource
from evergreen.core.refresh import Backfill, Refresh
from evergreen.data.freshness import coverage_after
from tests.champions import DAILY, champion, make_champion, night, version, with_coverage
from tests.dated_rows import COLUMNS, source, write

pytestmark = pytest.mark.usefixtures("zenml_home")
STRETCH = Backfill(start=datetime(2026, 5, 2, tzinfo=UTC), end=datetime(2026, 5, 3, tzinfo=UTC))


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

from __future__ import annotations

import gc
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commands import prepare
from commands.client import Client
from commands.garbage_collection import (
    RARE,
    TELLS_WHAT_IS_LEFT,
    USUAL,
    rare_garbage_collection,
    usual_garbage_collection,
)
from commands.predict import predict_lines
from commands.predicted_table import Tables, predict_table
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.answers import Predictions
from evergreen.core.errors import InputError
from evergreen.preparation import LocalRunnerSettings, Preparation

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def a_process_that_begins() -> Iterator[None]:
    """Nothing is frozen yet, and what the tests' own process has set comes back."""
    before = gc.get_threshold()
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def rows_before_a_collection() -> int:
    return gc.get_threshold()[0]


def test_a_command_collects_seldom_but_where_data_come_and_go() -> None:
    older = gc.get_threshold()[1:]
    with rare_garbage_collection():
        assert gc.get_threshold() == (RARE, *older)
        with usual_garbage_collection():
            assert gc.get_threshold() == (USUAL, *older)
        assert gc.get_threshold() == (RARE, *older)
        with pytest.raises(ValueError, match="rows"), usual_garbage_collection():
            raise ValueError("rows")
        assert gc.get_threshold() == (RARE, *older)


def test_what_is_left_at_the_end_is_never_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, TELLS_WHAT_IS_LEFT, raising=False)
    with rare_garbage_collection():
        assert gc.get_freeze_count() == 0
    assert gc.get_freeze_count() > 1000


def test_a_command_that_has_read_rows_ends_without_a_word_about_what_is_left() -> None:
    script = (
        "from commands.garbage_collection import rare_garbage_collection, usual_garbage_collection\n"
        "with rare_garbage_collection(), usual_garbage_collection():\n"
        "    import duckdb\n"
        "    duckdb.connect().sql('SELECT 1').fetchall()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_what_was_there_before_the_data_is_taken_out_until_they_are_gone() -> None:
    older = gc.get_threshold()
    with usual_garbage_collection():
        assert gc.get_freeze_count() > 1000
        with usual_garbage_collection():
            assert gc.get_threshold() == (USUAL, *older[1:])
        assert gc.get_freeze_count() > 1000
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, older)


@pytest.mark.usefixtures("rare")
def test_predictions_of_a_table_and_of_lines_are_made_with_usual_collection(tmp_path: Path) -> None:
    seen: list[int] = []

    def answer(instances: Sequence[Any]) -> Predictions:
        seen.append(rows_before_a_collection())
        return Predictions([{"label": "a"} for _ in instances], "0a1b2c3d4e5f", "trace")

    client = Client(answer, lambda text: {"text": text}, 1000)
    table = tmp_path / "in.csv"
    table.write_text("text\nshort\n", encoding="utf-8")
    predict_table(client, Tables(table, tmp_path / "out.csv", "text", FilesSettings(path="unused")), 2)
    assert seen == [USUAL]
    predict_lines(client, StringIO("short\n"), 2)
    assert seen == [USUAL, USUAL]
    assert rows_before_a_collection() == RARE


@pytest.mark.usefixtures("rare")
@pytest.mark.parametrize(
    ("origin", "module", "work"),
    [(None, "evergreen.preparation.run", "prepare"), ("rows.csv", "evergreen.data.prepare", "prepare")],
)
def test_rows_are_prepared_with_usual_collection(
    origin: str | None, module: str, work: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of `parameters.prepare`, and of `--from`."""
    seen: list[int] = []

    def prepared(*_: object) -> None:
        seen.append(rows_before_a_collection())
        raise InputError("seen")

    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\nshort,a\n", encoding="utf-8")
    preparation = Preparation(origin=FilesSettings(path=str(rows)), runner=LocalRunnerSettings(workers=1))
    source = FilesSettings(path=str(tmp_path / "prepared" / "*.parquet"))
    project = SimpleNamespace(prepare=preparation, source=source, window=None, task=SimpleNamespace(classes=()))
    monkeypatch.setattr("commands.project.open_project", lambda _: project)
    monkeypatch.setattr("orchestration.preparation.plan_for", lambda *_: None)
    monkeypatch.setattr(f"{module}.{work}", prepared)
    args = Namespace(config="c.yaml", origin=origin and str(rows), runner=None, workers=None, dry_run=False)
    timed: dict[str, object] = {
        "columns": {},
        "label_names": None,
        "append": False,
        "end": "now",
        "days": 2.0,
        "seed": 0,
        "share": None,
    }
    with pytest.raises(InputError, match="seen"):
        prepare.main(Namespace(**vars(args), **timed))
    assert seen == [USUAL]
    assert rows_before_a_collection() == RARE


@pytest.fixture
def rare(a_process_that_begins: None) -> Iterator[None]:
    with rare_garbage_collection():
        yield

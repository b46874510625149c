from __future__ import annotations

from pathlib import Path

import pytest

from evergreen.core.errors import InputError
from orchestration.document import Document, read
from orchestration.mistakes import ConfigurationError, Mistake


def read_text(tmp_path: Path, text: str) -> Document:
    path = tmp_path / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return read(path)


def test_values_are_read_and_know_their_lines(tmp_path: Path) -> None:
    document = read_text(tmp_path, "# comment\na:\n  b: [1, 2]\n  c: text\n")
    assert document.values == {"a": {"b": [1, 2], "c": "text"}}
    assert document.lines["a", "c"] == 4
    assert document.lines["a", "b", 1] == 3
    assert document.mistakes == ()


def test_a_value_that_may_be_left_out_is_none_where_its_variable_is_not_set_or_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "key: ${EVERGREEN_KMS_KEY:-}\nother: ${EVERGREEN_OTHER}\npart: a/${EVERGREEN_KMS_KEY:-}\n"
    monkeypatch.delenv("EVERGREEN_OTHER", raising=False)
    monkeypatch.delenv("EVERGREEN_KMS_KEY", raising=False)
    document = read_text(tmp_path, text)
    assert document.values["key"] is None
    assert [mistake.path for mistake in document.mistakes] == [("other",), ("part",)]
    monkeypatch.setenv("EVERGREEN_KMS_KEY", "")
    assert read_text(tmp_path, text).values["key"] is None
    monkeypatch.setenv("EVERGREEN_KMS_KEY", "projects/p/key")
    document = read_text(tmp_path, text)
    assert document.values["key"] == "projects/p/key"
    assert document.mask("not projects/p/key", ("key",)) == "not ${EVERGREEN_KMS_KEY}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2\n", "line 2: column 2: not YAML: expected ',' or ']'"),
        ("a: 1\n\tb: 2\n", "line 2: column 1: not YAML: found character '\\t'"),
        ("- a\n- b\n", "should be a mapping (key: value), got list"),
        ("", "should be a mapping (key: value), got nothing"),
        ("# only a comment\n", "should be a mapping (key: value), got nothing"),
        ("a:\n  b: &b [*b]\n", "line 2: column 10: alias '*b' is part of what it stands for"),
        ("a: 1\nb: " + "[" * 200, "line 2: column 53: nested more than 50 levels deep; write it flatter"),
        ("a: 1\nstart: 2024-02-30\n", "line 2: column 8: not YAML: no timestamp that can be read: day is out of range"),
        ("a: !!int ''\n", "line 1: column 4: not YAML: no int that can be read"),
        ("a: !!python/object:os.system 1\n", "line 1: column 4: not YAML: could not determine a constructor"),
    ],
)
def test_what_is_no_yaml_mapping_is_told_with_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_text(tmp_path, text)
    assert message in str(caught.value)


def test_a_file_that_is_not_utf8_or_not_there_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: é".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.yaml is not UTF-8"):
        read(path)
    with pytest.raises(InputError, match=r"cannot read .*gone\.yaml"):
        read(tmp_path / "gone.yaml")


def test_a_key_written_twice_is_told_with_both_lines(tmp_path: Path) -> None:
    document = read_text(tmp_path, "a:\n  b: 1\n  c: 2\n  b: 3\n")
    (mistake,) = document.mistakes
    assert (mistake.path, mistake.line) == (("a", "b"), 4)
    assert "written twice, first in line 2" in mistake.message


def test_placeholders_are_filled_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGION", "europe-west4")
    document = read_text(tmp_path, "where: ['gs://bucket-${REGION}/data']\n")
    assert document.values == {"where": ["gs://bucket-europe-west4/data"]}
    assert document.got(("where", 0)) == "gs://bucket-${REGION}/data"


def test_a_filled_in_value_is_never_read_as_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "x\nmodel: {name: injected}")
    assert read_text(tmp_path, "a: ${NAME}\n").values == {"a": "x\nmodel: {name: injected}"}


def test_every_missing_variable_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    document = read_text(tmp_path, "a: ${NOT_SET}\nb: ['${NOT SET}']\n")
    assert [mistake.path for mistake in document.mistakes] == [("a",), ("b", 0)]
    assert "environment variable NOT_SET is not set; export NOT_SET=…" in document.mistakes[0].message
    assert "no environment variable's name" in document.mistakes[1].message


def test_another_value_takes_a_parameters_place_in_what_is_read_and_in_what_is_told(tmp_path: Path) -> None:
    document = read_text(tmp_path, "parameters: {model_name: news, seed: 1}\nextra: {stacks: [local]}")
    renamed = document.with_parameter("model_name", "news-2")
    assert renamed.values == {"parameters": {"model_name": "news-2", "seed": 1}, "extra": {"stacks": ["local"]}}
    assert renamed.got(("parameters", "model_name")) == "news-2"
    assert document.values["parameters"]["model_name"] == "news"
    alone = read_text(tmp_path, "extra: {}").with_parameter("model_name", "news-2")
    assert alone.values == {"extra": {}, "parameters": {"model_name": "news-2"}}


def test_a_message_is_masked_with_the_placeholder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIDDEN", "s3cret")
    document = read_text(tmp_path, "a: {b: 'x-${HIDDEN}'}\nc: open\n")
    assert document.mask("got x-s3cret", ("a",)) == "got x-${HIDDEN}"
    assert document.mask("got x-s3cret", ("c",)) == "got x-s3cret"


def test_of_a_value_that_could_not_be_filled_in_nothing_else_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVERGREEN_BUCKET", raising=False)
    document = read_text(tmp_path, "staging: ${EVERGREEN_BUCKET}/models\nregion: nowhere\n")
    wrong = [Mistake(("staging",), "should match pattern '^gs://'"), Mistake(("region",), "should match pattern")]
    message = str(document.error(wrong))
    assert "EVERGREEN_BUCKET is not set" in message
    assert "gs://" not in message
    assert "region: should match pattern" in message


@pytest.mark.parametrize(
    ("encoding", "guessed"),
    [("utf-16", "UTF-16"), ("utf-16-le", "UTF-16LE"), ("cp1252", "CP1252")],
)
def test_a_file_that_is_not_utf_8_is_told_with_what_to_do(encoding: str, guessed: str, tmp_path: Path) -> None:
    path = tmp_path / "own file.yaml"
    path.write_bytes(("name: ü\n" if encoding == "cp1252" else "name: news\n").encode(encoding))
    with pytest.raises(InputError) as caught:
        read(path)
    assert "is not UTF-8, which configurations are written in" in str(caught.value)
    assert f"iconv -f {guessed} -t UTF-8 '{path}' > utf8.yaml" in str(caught.value)


def test_a_mark_of_utf_8_before_the_first_key_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_bytes("a: ü\n".encode("utf-8-sig"))
    assert read(path).values == {"a": "ü"}

from __future__ import annotations

import datetime
import time

import pytest
import yaml

from evergreen.core import bounded_yaml
from evergreen.core.bounded_yaml import BoundedLoader, YamlBoundError, safe_dump, safe_load

LAUGHS = "a: &l0 [lol]\n" + "".join(f"b{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 10))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (LAUGHS, 4, "more than 1,000 values with its aliases"),
        ("a: &me\n  b: [1, *me]\n", 2, "alias '*me' is part of what it stands for"),
        ("&me\na: *me\n", 2, "alias '*me' is part of what it stands for"),
        ("a: 1\nb: " + "[" * 300, 2, "nested more than 50 levels deep"),
        ("a: 1\nb: " + "{x: " * 20_000, 2, "nested more than 50 levels deep"),
        ("a:\n" + "\n".join(" " * n + "- " for n in range(1, 200)), 51, "nested more than 50 levels deep"),
        ("a: [" + "1, " * 1_200 + "]", 1, "more than 1,000 values"),
    ],
    ids=["billion laughs", "alias in itself", "root in itself", "lists", "mappings", "block", "long"],
)
def test_a_text_that_would_grow_without_bounds_is_refused_at_once_with_its_line(
    monkeypatch: pytest.MonkeyPatch, text: str, line: int, said: str
) -> None:
    monkeypatch.setattr(bounded_yaml, "MOST_NODES", 1_000)
    began = time.process_time()
    with pytest.raises(YamlBoundError) as caught:
        safe_load(text)
    assert time.process_time() - began < 2
    assert said in str(caught.value.problem)
    assert caught.value.problem_mark is not None
    assert caught.value.problem_mark.line + 1 == line


@pytest.mark.parametrize(
    "value",
    [
        "2024-02-30",
        "2024-01-01 25:00:00",
        "1" * 5_000,
        "!!int ''",
        "!!float x",
        "!!bool perhaps",
        "!!timestamp noon",
        "!!python/name:os.system x",
        '"\\ud83d"',
    ],
)
def test_a_value_that_is_none_of_its_type_is_an_error_of_yaml_with_its_line(value: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError) as caught:
        safe_load(f"a: 1\nb: {{c: {value}}}\n")
    assert caught.value.problem_mark is not None
    assert caught.value.problem_mark.line + 1 == 2
    assert len(str(caught.value.problem)) < 200


@pytest.mark.parametrize(
    "text", ["yes", "no", "on", "off", "y", "85:56", "1:30.5", "09", "010", "007", "0b11", "0o17", "1e", "1.2.3", "+-1"]
)
def test_what_older_yaml_takes_for_another_value_is_the_text_that_is_written(text: str) -> None:
    assert safe_load(f"[{text}]") == [text]


@pytest.mark.parametrize("text", ["1234e567", "-5e400", "1" * 400 + "."])
def test_what_is_too_large_for_a_number_is_the_text_that_is_written(text: str) -> None:
    assert safe_load(f"[&same {text}, *same]") == [text, text]


@pytest.mark.parametrize(
    "value",
    [
        ["1e5", "2e-5", "1234e567", "010", "85:56", "no", "true", "1_0", ".inf", "~", "", " a", "2024-05-01", "è: #"],
        [1e5, 2e-5, 1e300, float("-inf"), 10, True, None, datetime.date(2024, 5, 1)],
        {"1e5": {"010": ["\n", "'"]}, "b": {}, "a": []},
    ],
)
def test_what_is_written_is_read_as_the_same(value: object) -> None:
    read = safe_load(safe_dump(value))
    assert repr(read) == repr(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-3", -3),
        ("+4", 4),
        ("1_000", 1000),
        ("0x1F", 31),
        ("2e-5", 2e-5),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("0.25", 0.25),
        ("-.inf", float("-inf")),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
    ],
)
def test_numbers_and_words_are_read_as_they_are_meant(text: str, value: object) -> None:
    read = safe_load(f"a: {text}")["a"]
    assert (read, type(read)) == (value, type(value))


def test_aliases_that_are_meant_are_read() -> None:
    text = "base: &base {epochs: 2}\none: *base\ntwo: {<<: *base, seed: 1}\n"
    assert safe_load(text) == {"base": {"epochs": 2}, "one": {"epochs": 2}, "two": {"epochs": 2, "seed": 1}}
    assert issubclass(BoundedLoader, yaml.SafeLoader)

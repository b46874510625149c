from __future__ import annotations

import time

import pytest
import yaml

from evergreen.core import bounded_yaml
from evergreen.core.bounded_yaml import BoundedLoader, YamlBoundError, safe_load

LAUGHS = "a: &l0 [lol]\n" + "".join(f"b{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 10))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (LAUGHS, 4, "more than 1,000 values with its aliases"),
        ("a: &me\n  b: [1, *me]\n", 2, "alias '*me' is part of what it stands for"),
        ("&me\na: *me\n", 2, "alias '*me' is part of what it stands for"),
        ("a: 1\nb: " + "[" * 20_000, 2, "nested more than 50 levels deep"),
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


def test_aliases_that_are_meant_are_read() -> None:
    text = "base: &base {epochs: 2}\none: *base\ntwo: {<<: *base, seed: 1}\n"
    assert safe_load(text) == {"base": {"epochs": 2}, "one": {"epochs": 2}, "two": {"epochs": 2, "seed": 1}}
    assert issubclass(BoundedLoader, yaml.SafeLoader)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.quoting import MOST_CHARS, cut, excerpt, excerpts, in_json, without_rows


@given(st.text())
def test_no_more_than_a_few_characters_of_a_text_are_quoted(text: str) -> None:
    assert len(cut(text)) <= MOST_CHARS
    assert text.startswith(cut(text).removesuffix("…"))


def test_short_values_are_quoted_as_they_are() -> None:
    assert excerpt("Sprots") == "'Sprots'"
    assert excerpt(3.5) == "3.5"
    assert excerpt(None) == "None"
    assert excerpts(["a", "b"]) == "'a', 'b'"
    assert excerpts([*"abcdefg"]) == "'a', 'b', 'c', 'd', 'e' and 2 more"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2", 'the string "2"'),
        ('a "quoted" text', r'the string "a \"quoted\" text"'),
        ("Dear doctor, since Monday I have", 'the string "Dear doctor, since…"'),
        (True, "true"),
        (None, "null"),
        (2.5, "2.5"),
        (10**30, "1000000000000000000…"),
        ([2], "an array"),
        ({"k": 2}, "an object"),
    ],
)
def test_a_value_of_a_request_is_quoted_as_json_writes_it(value: object, said: str) -> None:
    assert in_json(value) == said


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "CSV parse error: Row #3: Expected 2 columns, got 3: 7,Dear doctor, since Monday I have",
            "CSV parse error: Row #3: Expected 2 columns, got 3: 7,Dear doctor, sinc…",
        ),
        (
            "Could not convert string 'Dear doctor, since Monday' to INT32",
            "Could not convert string 'Dear doctor, since…' to INT32",
        ),
        (
            'invalid value "Dear doctor, since Monday" in "short"',
            'invalid value "Dear doctor, since…" in "short"',
        ),
        (
            "could not convert '患者王小明电话13800000000/于周一入院主诉胸痛三天有糖尿病史' to float",
            "could not convert '患者王小明电话13800000000/…' to float",
        ),
        (
            "no number: 'Dear/doctor,since/Monday/I/have'",
            "no number: 'Dear/doctor,since/M…'",
        ),
        (
            "Can't load tokenizer for 'my/model'. If you were trying to load it, don't have a folder 'my/model'",
            "Can't load tokenizer for 'my/model'. If you were trying to load it, don't have a folder 'my/model'",
        ),
        ("no answer from 'https://example.com/a/long/path'", "no answer from 'https://example.com/a/long/path'"),
        ("cannot open '/var/data/of/a/long/path.csv'", "cannot open '/var/data/of/a/long/path.csv'"),
    ],
)
def test_what_a_library_quotes_of_rows_is_cut_and_paths_are_not(message: str, said: str) -> None:
    assert without_rows(message) == said

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from evergreen.core.base import ModelName
from evergreen.core.names import (
    LABEL_KEY,
    LABEL_VALUE,
    MODEL_NAME,
    Spelling,
    SpellingError,
    is_misspelt,
    listed,
    nearest,
    nfc,
    quoted,
    written_as,
)
from evergreen.data.plain import composed
from evergreen.tasks.text_classification.examinable import prepare_texts
from evergreen.tasks.text_classification.settings import TextClassification

NFC, NFD = "économie", unicodedata.normalize("NFD", "économie")


def test_names_written_in_two_ways_are_one() -> None:
    assert nfc(NFD) == NFC
    assert nfc("体育") == "体育"


def test_names_that_look_alike_are_listed_with_their_code_points() -> None:
    assert listed([NFC, "text", NFD]) == f"'{NFC}' (U+00E9), 'text', '{NFD}' (U+0301)"
    assert listed(["text", "tеxt"]) == "'text' (ASCII), 'tеxt' (U+0435)"
    assert listed(str(number) for number in range(50)).endswith("and 10 more")


def test_what_cannot_be_seen_is_escaped() -> None:
    assert quoted("text\n(English)\u200b") == "'text\\n(English)\\u200b'"
    assert quoted(" text") == "' text'"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("text", " (did you mean ' text'?)"),
        ("LABEL", " (did you mean 'label'?)"),
        ("lаbel", " (did you mean 'label', with ASCII instead of U+0430?)"),
        ("nothing like it", ""),
    ],
)
def test_the_nearest_name_is_offered(name: str, said: str) -> None:
    assert nearest(name, ["id", " text", "label"]) == said


def test_labels_of_a_task_are_composed_as_those_of_rows() -> None:
    task = TextClassification(labels=(NFD, "sport"), encoder="package://own/model")
    assert task.labels == (NFC, "sport")
    assert composed(pa.array([NFD, None, "sport"])).to_pylist() == [NFC, None, "sport"]


def test_prepared_texts_are_composed() -> None:
    rows = pa.RecordBatch.from_pydict({"id": ["1"], "text": [f" {NFD}  {NFC}"], "label": ["a"]})
    assert prepare_texts(rows, ["a", "b"], 100).rows["text"].to_pylist() == [f"{NFC} {NFC}"]


@pytest.mark.parametrize(
    ("spelling", "given", "near"),
    [
        (MODEL_NAME, "My Model", "my-model"),
        (MODEL_NAME, "Über_News 2024!", "uber-news-2024"),
        (MODEL_NAME, "7-days", "days"),
        (MODEL_NAME, "a" * 70, "a" * 63),
        (MODEL_NAME, "新闻", None),
        (MODEL_NAME, "news\n", "news"),
        (MODEL_NAME, "", None),
        (LABEL_KEY, "2nd Team_", "nd-team"),
        (LABEL_VALUE, "News Desk", "news-desk"),
        (LABEL_VALUE, "2nd/Floor", "2nd-floor"),
    ],
)
def test_a_name_that_is_not_allowed_is_told_in_words_with_the_nearest_that_is(
    spelling: Spelling, given: str, near: str | None
) -> None:
    with pytest.raises(SpellingError) as caught:
        spelling.check(given)
    assert str(caught.value).startswith(f"should be {spelling.words}, got ")
    assert str(caught.value).endswith(f"; write {near!r}") == (near is not None)
    if near is not None:
        assert spelling.check(near) == near


@pytest.mark.parametrize("name", ["n", "news", "my-model-2", "a" * 63])
def test_a_name_that_is_allowed_stays_as_it_is(name: str) -> None:
    assert TypeAdapter(ModelName).validate_python(name) == name


@pytest.mark.parametrize("name", ["News", "-news", "news-", "1news", "a" * 64])
def test_a_models_name_is_checked_where_it_is_typed(name: str) -> None:
    with pytest.raises(ValidationError, match="should be lower-case letters, digits and hyphens"):
        TypeAdapter(ModelName).validate_python(name)


def test_a_text_of_another_pattern_is_told_in_words() -> None:
    check = written_as(r"gs://\w+", "a bucket, such as gs://news")
    assert check("gs://rows") == "gs://rows"
    with pytest.raises(SpellingError, match="should be a bucket, such as gs://news, got 's3://rows'"):
        check("s3://rows")


@pytest.mark.parametrize(
    ("label", "classes"),
    [
        ("bussiness", ["business"]),
        ("sprot", ["sport"]),
        ("Tech ", ["tech"]),
        ("spart", ["sport"]),
        ("spoort", ["sport"]),
    ],
)
def test_a_slip_of_the_hand_is_a_misspelling(label: str, classes: list[str]) -> None:
    assert is_misspelt(label, classes)


@pytest.mark.parametrize(
    ("label", "classes"),
    [
        ("sport", ["sport", "spart"]),
        ("environment", ["entertainment"]),
        ("transport", ["sport"]),
        ("sports", ["sport"]),
        ("fintech", ["tech"]),
        ("10", ["1"]),
        ("topic-7", ["topic-2"]),
        ("class10", ["class1"]),
        ("non-toxic", ["toxic"]),
        ("invalid", ["valid"]),
        ("cast", ["cost"]),
    ],
)
def test_another_class_is_no_misspelling_though_it_looks_similar(label: str, classes: list[str]) -> None:
    assert not is_misspelt(label, classes)

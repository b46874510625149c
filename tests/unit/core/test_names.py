from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest

from evergreen.core.names import listed, nearest, nfc, quoted
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

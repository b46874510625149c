import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evergreen.core.errors import InstanceError
from evergreen.tasks.text_classification.servable import TextPredictor
from evergreen.tasks.text_classification.tokens import Tokens


@pytest.fixture
def predictor() -> TextPredictor:
    """Decodes and encodes; those verbs need no weights."""
    return TextPredictor(SimpleNamespace(), Tokens(None, 128), ("World", "Sports"), max_text_chars=20)


def test_instances_become_their_texts(predictor: TextPredictor) -> None:
    assert predictor.decode([{"text": "Goal"}, {"text": " Talks \n"}]) == ["Goal", " Talks \n"]


@pytest.mark.parametrize(
    ("instance", "message"),
    [
        ("Goal", 'is a string; expected {"text": "…"}'),
        (None, "is null"),
        (["Goal"], "is an array"),
        (3.5, "is a number"),
        ({}, "'text' is missing"),
        ({"text": None}, "'text' is null"),
        ({"text": 3}, "'text' is a number"),
        ({"text": True}, "'text' is a boolean"),
        ({"text": ""}, "'text' is blank"),
        ({"text": " \n\t"}, "'text' is blank"),
        ({"text": "x" * 21}, "'text' has 21 characters, at most 20 are allowed"),
        ({"text": "Goal", "titel": "x"}, "has unknown titel"),
    ],
)
def test_an_instance_that_cannot_be_used_is_named(predictor: TextPredictor, instance: Any, message: str) -> None:
    with pytest.raises(InstanceError) as caught:
        predictor.decode([{"text": "Goal"}, instance])

    assert str(caught.value).startswith("instances[1]: ")
    assert message in str(caught.value)
    assert caught.value.index == 1


def test_a_prediction_names_the_label_its_score_and_all_probabilities(predictor: TextPredictor) -> None:
    (prediction,) = predictor.encode(np.array([[0.25, 0.75]], dtype=np.float32))

    assert json.loads(json.dumps(prediction)) == {
        "label": "Sports",
        "score": 0.75,
        "probabilities": {"World": 0.25, "Sports": 0.75},
    }

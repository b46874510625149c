from typing import Any

import pytest

from evergreen.core.errors import InputError
from evergreen.tasks.text_classification.parameters import NAMES, parameters_schema, shape_of

PREDICTION = {"label": "b", "score": 0.6, "probabilities": {"a": 0.3, "b": 0.6, "c": 0.1}}


@pytest.mark.parametrize(
    ("parameters", "probabilities"),
    [
        ({"top_k": 1}, ["b"]),
        ({"top_k": 3}, ["b", "a", "c"]),
        ({"threshold": 0.3}, ["b", "a"]),
        ({"threshold": 1}, []),
        ({"threshold": 0.2, "top_k": 1}, ["b"]),
    ],
)
def test_the_highest_probabilities_come_first_and_label_and_score_stay(
    parameters: dict[str, Any], probabilities: list[str]
) -> None:
    shaped = shape_of(parameters, 3)(PREDICTION)
    assert list(shaped["probabilities"]) == probabilities
    assert (shaped["label"], shaped["score"]) == ("b", 0.6)


def test_without_parameters_a_prediction_is_as_it_is() -> None:
    assert shape_of({}, 3)(PREDICTION) is PREDICTION


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"topk": 1}, "unknown parameter 'topk' (allowed: threshold, top_k)"),
        ({"top_k": 0}, "parameter 'top_k' is 0; send a whole number from 1 to 3"),
        ({"top_k": 4}, "a whole number from 1 to 3"),
        ({"top_k": "2"}, "parameter 'top_k' is the string \"2\"; send a whole number from 1 to 3"),
        ({"top_k": True}, "is true; send a whole number from 1 to 3"),
        ({"top_k": 1.0}, "a whole number from 1 to 3"),
        ({"top_k": None}, "is null; send a whole number from 1 to 3"),
        ({"threshold": "0.5"}, 'is the string "0.5"; send a number from 0 to 1'),
        ({"threshold": 1.5}, "a number from 0 to 1"),
        ({"threshold": True}, "a number from 0 to 1"),
    ],
)
def test_what_is_no_such_parameter_is_refused_with_what_is_allowed(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        shape_of(parameters, 3)
    assert message in str(caught.value)


def test_the_schema_names_what_is_taken() -> None:
    assert sorted(parameters_schema(3)["properties"]) == sorted(NAMES)

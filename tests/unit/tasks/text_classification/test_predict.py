import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evergreen.core.errors import InputError, InstanceError
from evergreen.tasks.text_classification.network import TorchTextNetwork
from evergreen.tasks.text_classification.outputs import TextOutputs
from evergreen.tasks.text_classification.servable import TextPredictor
from evergreen.tasks.text_classification.tokens import TokenizedText, Tokens


class Words:
    """Two known words, as a tokenizer of transformers."""

    unk_token_id = 0

    def __call__(self, texts: list[str], **_: Any) -> dict[str, list[list[int]]]:
        known = {"goal": 4, "talks": 5}
        return {"input_ids": [[known.get(word, 0) for word in text.lower().split()] for text in texts]}


@pytest.fixture
def predictor() -> TextPredictor:
    """Decodes and encodes; those verbs need no weights."""
    tokens = Tokens(Words(), 128)
    network = TorchTextNetwork(SimpleNamespace(device=SimpleNamespace(type="cpu")), tokens)
    return TextPredictor(network, tokens, ("World", "Sports"), max_text_chars=20)


def test_instances_become_texts_in_tokens(predictor: TextPredictor) -> None:
    batch = predictor.decode([{"text": "Goal"}, {"text": " Talks on talks \n"}])
    assert batch == [TokenizedText([4], 0, 4), TokenizedText([5, 0, 5], 1, 17)]
    assert predictor.sizes(batch) == [1, 3]


def test_a_log_keeps_numbers_of_a_text_and_the_answer(predictor: TextPredictor) -> None:
    batch = predictor.decode([{"text": "Talks on talks"}])
    (noted,) = predictor.observe(batch, TextOutputs(np.array([[0.25, 0.75]], dtype=np.float32)))
    assert noted.features == {"tokens": 3.0, "unknown_share": pytest.approx(1 / 3), "characters": 14.0}
    assert (noted.prediction, noted.score, noted.probabilities) == ("Sports", 0.75, (0.25, 0.75))


def test_parameters_of_a_request_are_those_of_its_labels(predictor: TextPredictor) -> None:
    assert predictor.shaping({})({"label": "Sports"}) == {"label": "Sports"}
    with pytest.raises(InputError, match=r"unknown parameter 'n' \(allowed: threshold, top_k\)"):
        predictor.shaping({"n": 3})
    with pytest.raises(InputError, match="from 1 to 2"):
        predictor.shaping({"top_k": 3})


def test_parts_of_outputs_are_outputs(predictor: TextPredictor) -> None:
    both = TextOutputs(np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32), np.ones((2, 32), dtype=np.float32))
    assert len(both) == 2
    assert predictor.encode(both[1:]) == predictor.encode(both)[1:]
    second = both[1:].embeddings
    assert second is not None
    assert second.shape == (1, 32)


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
        ({"text": "Goal", "titel": "x"}, "has unknown 'titel'; expected"),
        ({"txt": "Goal"}, "has unknown 'txt', and 'text' is missing; expected"),
    ],
)
def test_an_instance_that_cannot_be_used_is_named(predictor: TextPredictor, instance: Any, message: str) -> None:
    with pytest.raises(InstanceError) as caught:
        predictor.decode([{"text": "Goal"}, instance])

    assert str(caught.value).startswith("instances[1]: ")
    assert message in str(caught.value)
    assert caught.value.index == 1


def test_a_prediction_names_the_label_its_score_and_all_probabilities(predictor: TextPredictor) -> None:
    (prediction,) = predictor.encode(TextOutputs(np.array([[0.25, 0.75]], dtype=np.float32)))

    assert json.loads(json.dumps(prediction)) == {
        "label": "Sports",
        "score": 0.75,
        "probabilities": {"World": 0.25, "Sports": 0.75},
    }

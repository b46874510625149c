import socket

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from evergreen.core.bootstrap import bootstrap
from evergreen.metrics import measure


def test_the_modules_load_without_network_and_equal_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    random = np.random.default_rng(0)
    truth, predicted = random.integers(0, 4, 500), random.integers(0, 4, 500)
    measured = measure(truth, predicted, classes=4)
    assert measured["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    for name, score in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        assert measured[f"macro_{name}"] == pytest.approx(score(truth, predicted, average="macro"))


def test_values_equal_those_of_the_bootstrap_with_undefined_ones_and_answers_outside_the_classes() -> None:
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 4, 4, 1])
    measured = measure(truth, predicted, classes=4)
    (scores,) = bootstrap(truth, [predicted], 4)
    for name, value in measured.items():
        assert value == pytest.approx(scores[name][0])

"""The bootstrap's values beside scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from evergreen.core.bootstrap import bootstrap, bootstrap_classes
from evergreen.core.reports import MetricName

CLASSES = 3
ROWS = st.lists(st.tuples(*[st.integers(0, CLASSES - 1)] * 2), min_size=1, max_size=60)


@given(ROWS)
@settings(max_examples=40)
def test_values_equal_those_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    truth, first = np.array(rows).T
    (scores,), (by_class,) = bootstrap(truth, [first], CLASSES), bootstrap_classes(truth, [first], CLASSES)
    options = {"labels": range(CLASSES), "zero_division": np.nan}
    value = {name: samples[0] for name, samples in scores.items()}
    assert value[MetricName.ACCURACY] == pytest.approx(accuracy_score(truth, first))
    for metric, macro, score in (
        (MetricName.F1, MetricName.MACRO_F1, f1_score),
        (MetricName.PRECISION, MetricName.MACRO_PRECISION, precision_score),
        (MetricName.RECALL, MetricName.MACRO_RECALL, recall_score),
    ):
        np.testing.assert_allclose(by_class[metric][0], score(truth, first, average=None, **options))
        np.testing.assert_allclose(value[macro], score(truth, first, average="macro", **options))

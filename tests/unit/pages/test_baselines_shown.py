"""Simple models beside a version, on its page, in a pull request and at the end of a run; and metrics good when low."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evergreen.core.decision import PromotionDecision
from evergreen.core.deployment import Deployment
from evergreen.core.metric import Metric, MetricSpec
from evergreen.core.report import Baseline, Comparison, EvaluationReport
from evergreen.pages.evaluation import evaluation_page
from evergreen.pages.markdown import outcome_markdown
from evergreen.pages.terminal import terminal_summary
from tests.unit.pages.reading import Page, metric

Read = Callable[[str], Page]
SIMPLE = "logistic regression of TF-IDF"


def beside(report: EvaluationReport, theirs: float, difference: Metric) -> EvaluationReport:
    simple = Baseline(label=SIMPLE, metrics={"accuracy": theirs}, differences={"accuracy": difference}, fitted_on=900)
    return report.model_copy(update={"references": (simple,)})


@pytest.fixture
def behind(report: EvaluationReport) -> EvaluationReport:
    return beside(report, 0.97, Metric(value=-0.02, low=-0.03, high=-0.01))


def test_every_baseline_stands_in_a_table_with_its_gain_interval_and_verdict(
    report: EvaluationReport, read: Read
) -> None:
    text = read(evaluation_page(beside(report, 0.9, Metric(value=0.05, low=0.02, high=0.08)))).text
    assert f"Accuracy {SIMPLE} (fitted on 900 rows) 0.900 0.950 +0.050 +0.020 to +0.080 better" in text
    assert "Accuracy always answering “sports” 0.600 0.950 – not compared" in text
    assert "A baseline is ahead" not in text


def test_where_a_baseline_leads_page_pull_request_and_run_say_so_first(
    behind: EvaluationReport, promoted: PromotionDecision, live: Deployment, read: Read
) -> None:
    words = f"a {SIMPLE} leads: accuracy 0.970, this version 0.950; certainly better"
    text = read(evaluation_page(behind)).text
    assert words in text
    assert text.index(words) < text.index("Accuracy 0.950")
    assert words in terminal_summary(behind, promoted, live).splitlines()[1]
    assert "A baseline is ahead" in outcome_markdown(behind, promoted, live, page="p.html", run="r", run_url=None)


def test_both_numbers_stand_in_the_first_line_of_a_run(
    report: EvaluationReport, promoted: PromotionDecision, live: Deployment
) -> None:
    ahead = beside(report, 0.94, Metric(value=0.01, low=-0.01, high=0.03))
    first, second, *_ = terminal_summary(ahead, promoted, live).splitlines()
    assert first.startswith("accuracy    0.950 ")
    assert first.endswith(f"always answering 'sports' scores 0.600, a {SIMPLE} 0.940")
    assert second.startswith("champion")


def test_an_error_that_fell_is_a_gain_everywhere(
    report: EvaluationReport, promoted: PromotionDecision, live: Deployment, read: Read
) -> None:
    fell = Metric(value=-3.0, low=-4.0, high=-2.0)
    priced = report.model_copy(
        update={
            "metrics": {"mae": Metric(value=12.0, low=11.0, high=13.0)},
            "baseline": Baseline(label="mean", metrics={"mae": 40.0}, differences={"mae": fell}),
            "comparison": Comparison(champion="champion0001", metrics={"mae": metric(15.0)}, differences={"mae": fell}),
            "primary_metric": "mae",
            "primary_class_metric": "mae",
            "specs": (MetricSpec(name="mae", better="lower", unit="EUR", bounds=(0, None)),),
        }
    )
    text = read(evaluation_page(priced)).text
    assert "Mae: better than the champion" in text
    assert "Gain +3.000 (95 % interval +2.000 to +4.000)" in text
    assert "Mae, EUR ↓ always answering “mean” 40.000 12.000 +3.000 +2.000 to +4.000 better" in text
    assert "gain +3.000 (+2.000 to +4.000), better" in terminal_summary(priced, promoted, live)
    markdown = outcome_markdown(priced, promoted, live, page="p.html", run="r", run_url=None)
    assert "| **Mae ↓** | 15.000 | 12.000 | 11.000–13.000 | +3.000 | +2.000 to +4.000 | better |" in markdown
    assert "| gain |" in markdown

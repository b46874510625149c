"""A task whose target is a number, with a metric of its own: evaluated, judged, shown, published and registered."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from sklearn.metrics import mean_absolute_error, r2_score

from evergreen.adapters.huggingface_publish.card import model_card
from evergreen.adapters.mlflow.mirror import MlflowMirror
from evergreen.adapters.vertex.evaluation import evaluation_message
from evergreen.core.artifacts import SourceIdentity
from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.deployment import Deployment
from evergreen.core.errors import EvergreenError
from evergreen.core.gate import Gate, decide
from evergreen.core.publication import Edition, ModelDescription
from evergreen.core.report import EvaluationReport
from evergreen.core.sections import OtherSection, Residuals
from evergreen.core.versions import ModelVersion
from evergreen.evaluation.evaluate import evaluate
from evergreen.pages.evaluation import evaluation_page
from evergreen.pages.markdown import outcome_markdown
from evergreen.pages.outcome import decision_page
from evergreen.pages.terminal import terminal_summary
from tests.integration.bbc import bbc_rows, train
from tests.prices import PriceEvaluator, priced_by
from tests.unit.pages.reading import Page

GOOD, POOR = priced_by(3000), priced_by(2700)
LIVE = Deployment(outcome="live", model="prices", url=None, version=GOOD.version, traffic={}, message="serves.")


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    """The better model against the poorer one, as it is read from what was written."""
    measured = evaluate(GOOD, POOR, PriceEvaluator())
    return EvaluationReport.model_validate_json(measured.model_dump_json())


@pytest.fixture(scope="module")
def decision(report: EvaluationReport) -> PromotionDecision:
    return decide(report, Gate(maximum={"mae": 9000}, minimum={"within_tenth": 0.5}), POOR.version)


def test_its_metrics_are_those_of_scikit_learn(report: EvaluationReport) -> None:
    rows = PriceEvaluator()
    answers = 3000 * rows.areas
    assert report.metrics["mae"].value == pytest.approx(mean_absolute_error(rows.truth, answers))
    assert report.metrics["r2"].value == pytest.approx(r2_score(rows.truth, answers))
    assert report.metrics["within_tenth"].value == pytest.approx((abs(answers / rows.truth - 1) <= 0.1).mean())
    assert report.baseline.metrics["mae"] == pytest.approx(abs(rows.truth - 210_000).mean())
    assert report.comparison is not None
    assert report.comparison.differences["mae"].high < 0
    assert {(part.value, part.rows) for part in report.slices} == {("Bonn", 266), ("Unna", 134)}
    assert (report.kind, report.primary_metric, report.labels, report.per_class) == ("regression", "mae", (), {})
    assert report.timings.rows_per_s > 0


def test_the_gate_promotes_the_better_and_keeps_out_the_worse(decision: PromotionDecision) -> None:
    assert decision.verdict is Verdict.PROMOTE
    rules = [reason.rule for reason in decision.reasons]
    assert "better than mean" in rules
    assert not any("class" in rule for rule in rules)
    worse = evaluate(POOR, GOOD, PriceEvaluator())
    kept = decide(worse, Gate(), GOOD.version)
    assert {reason.rule for reason in kept.reasons if not reason.passed} == {"margin mae"}


def test_every_page_shows_it_without_a_word_of_classes(report: EvaluationReport, decision: PromotionDecision) -> None:
    text = Page(evaluation_page(report)).text
    residuals = report.section(Residuals)
    assert residuals is not None
    for words in ("Mean baseline", "Mae: better than the champion", "Residuals (EUR)", "Town Bonn", "Within tenth"):
        assert words in text, words
    for words in ("class", "Confusion", "label"):
        assert words not in text, words
    assert "Promote" in Page(decision_page(decision)).text
    markdown = outcome_markdown(report, decision, LIVE, page="p.html", run="r", run_url=None)
    assert "**Mae ↓**" in markdown
    assert f"| median | {residuals.median:.3f} |".replace("-", "−") in markdown
    lines = terminal_summary(report, decision, LIVE).splitlines()
    assert lines[0].startswith("mae ")
    assert any(line.startswith("residuals ") and "EUR" in line for line in lines)


def test_its_model_card_tells_metrics_and_residuals_and_no_row(report: EvaluationReport) -> None:
    secret = OtherSection.model_validate({"kind": "worst_houses", "rows": [{"id": "house-7", "street": "Am Hof"}]})
    edition = Edition(
        model_name="prices",
        model=GOOD,
        report=report.model_copy(update={"sections": (*report.sections, secret)}),
        data=SourceIdentity(kind="files", fingerprint="f" * 64, description="prices.csv", rows=1300),
        description=ModelDescription(
            pipeline_tag="tabular-regression", library="evergreen", origin="-", intended_use="-", limits=()
        ),
        examples=(),
    )
    card = model_card(edition, "org/prices", "v1", "apache-2.0")
    assert "| mae, EUR (lower is better) |" in card
    assert "### Residuals, EUR" in card
    assert "| median |" in card
    assert "| class |" not in card
    assert "Am Hof" not in card
    assert "Am Hof" in Page(evaluation_page(edition.report)).text


def test_vertex_ai_draws_it_by_its_schema_of_regressions_and_another_kind_by_none(
    report: EvaluationReport,
) -> None:
    message = evaluation_message(report)
    assert message.metrics_schema_uri.endswith("/regression_metrics_1.0.0.yaml")
    drawn = MessageToDict(message._pb)["metrics"]
    assert drawn == {
        "meanAbsoluteError": pytest.approx(report.metrics["mae"].value),
        "rootMeanSquaredError": pytest.approx(report.metrics["rmse"].value),
        "rSquared": pytest.approx(report.metrics["r2"].value),
    }
    other = evaluation_message(report.model_copy(update={"kind": "ranking"}))
    assert other.metrics_schema_uri == ""
    assert MessageToDict(other._pb)["metadata"]["metrics"]["mae"]["better"] == "lower"


def test_the_registry_of_mlflow_holds_its_errors_gains_and_baselines(
    report: EvaluationReport, mlflow_uri: str, tmp_path: Path
) -> None:
    model = train(tmp_path / "model", bbc_rows(4))
    own = ModelVersion(
        version=model.version,
        artifact="a",
        report="r",
        recipe="r",
        run="training-7",
        judged_against=None,
        metrics={},
        examples=({"text": "shares rose"},),
    )
    mirror = MlflowMirror(
        loader="tests.integration.bbc:TfidfPredictor", tracking_uri=mlflow_uri, render=evaluation_page
    )
    mirror.register("prices", own, model, report)
    client = mlflow.MlflowClient(tracking_uri=mlflow_uri)
    held = client.get_run(str(client.get_model_version("prices", "1").run_id)).data.metrics
    assert report.comparison is not None
    assert held["test/mae"] == pytest.approx(report.metrics["mae"].value)
    assert held["gain/mae"] == pytest.approx(-report.comparison.differences["mae"].value)
    assert held["baseline/mean/mae"] == pytest.approx(report.baseline.metrics["mae"])


def test_answers_that_are_not_finite_are_named() -> None:
    with pytest.raises(EvergreenError, match=f"model {priced_by(np.nan).version} gave values that are not finite"):
        evaluate(priced_by(np.nan), None, PriceEvaluator())

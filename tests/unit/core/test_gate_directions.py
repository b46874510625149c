"""Metrics that are better when low, and the simple models that every version stands beside."""

from __future__ import annotations

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.baselines import leader_sentence
from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.gate import Gate, decide
from evergreen.core.metric import Metric, MetricSpec
from evergreen.core.report import Baseline, ClassReport, Comparison, EvaluationReport, SliceReport, Timings

MAE = "mean_absolute_error"
LOWER = MetricSpec(name=MAE, better="lower", unit="EUR", bounds=(0, None))
REGRESSION = "regression of the mean"


def around(value: float, half: float = 1.0) -> Metric:
    return Metric(value=value, low=value - half, high=value + half)


def priced(mae: float, champion: float | None = None, simple: Metric | None = None) -> EvaluationReport:
    """A report of prices: errors in EUR, the majority baseline off by 40."""
    against = None
    if champion is not None:
        against = Comparison(
            champion="old", metrics={MAE: around(champion)}, differences={MAE: around(mae - champion, 0.05)}
        )
    references = (Baseline(label=REGRESSION, metrics={MAE: 20.0}, differences={MAE: simple}),) if simple else ()
    return EvaluationReport(
        kind="classification",
        primary_metric=MAE,
        primary_class_metric=MAE,
        version="new",
        splits="5" * 64,
        rows=300,
        labels=("flat", "house"),
        metrics={MAE: around(mae)},
        confidence=0.95,
        baseline=Baseline(label="flat", metrics={MAE: 40.0}),
        per_class={name: ClassReport(metrics={MAE: around(mae)}, support=9) for name in ("flat", "house")},
        slices=(SliceReport(column="town", value="Bonn", rows=90, metrics={MAE: around(mae + 3)}),),
        comparison=against,
        size_bytes=1,
        timings=Timings(latency_p50_ms=1, latency_p95_ms=2, rows_per_s=3),
        references=references,
        specs=(LOWER,),
    )


def failures(decision: PromotionDecision) -> dict[str, str]:
    return {reason.rule: reason.message for reason in decision.reasons if not reason.passed}


@pytest.mark.parametrize(
    ("mae", "verdict"),
    [(20.0, Verdict.KEEP), (12.2, Verdict.KEEP), (12.0, Verdict.PROMOTE), (9.0, Verdict.PROMOTE)],
)
def test_where_lower_is_better_the_worse_is_kept_out_and_the_better_promoted(mae: float, verdict: Verdict) -> None:
    decision = decide(priced(mae, champion=12.0), Gate(), "old")
    assert decision.verdict is verdict
    assert set(failures(decision)) == (set() if verdict is Verdict.PROMOTE else {f"margin {MAE}"})


def test_a_higher_error_is_refused_in_plain_words() -> None:
    message = failures(decide(priced(20.0, champion=12.0), Gate(margin={MAE: 0.5}), "old"))[f"margin {MAE}"]
    assert message == (
        f"{MAE} 20.000 EUR (95 % interval 19.000–21.000) is above champion old's 12.000: gain −8.000 "
        "(−8.050 to −7.950), at least −0.500 required of the interval's low end"
    )


@pytest.mark.parametrize(
    ("gate", "rule", "words"),
    [
        (Gate(maximum={MAE: 10}), f"maximum {MAE}", "is above the maximum 10.000"),
        (Gate(class_floors={MAE: 11}), f"class {MAE}", "is above the ceiling 11.000 or undefined: class 'flat' 12.000"),
        (Gate(slice_floors={MAE: 14}), f"slice {MAE}", "slice town 'Bonn' 15.000"),
    ],
)
def test_limits_hold_from_above_where_lower_is_better(gate: Gate, rule: str, words: str) -> None:
    assert words in failures(decide(priced(12.0), gate, None))[rule]


def test_limits_that_are_kept_pass() -> None:
    gate = Gate(maximum={MAE: 12}, class_floors={MAE: 12}, slice_floors={MAE: 15})
    assert decide(priced(12.0), gate, None).verdict is Verdict.PROMOTE


def test_an_error_no_lower_than_that_of_the_majority_is_kept_out() -> None:
    assert (
        "is not certain to lie below always answering 'flat'"
        in failures(decide(priced(39.5), Gate(), None))["better than majority"]
    )


@pytest.mark.parametrize(
    ("baselines", "difference", "verdict"),
    [
        ("not_worse", Metric(value=4, low=1, high=7), Verdict.KEEP),
        ("not_worse", Metric(value=4, low=-1, high=9), Verdict.PROMOTE),
        ("not_worse", Metric(value=-4, low=-7, high=-1), Verdict.PROMOTE),
        ("not_worse", Metric(value=nan, low=nan, high=nan), Verdict.KEEP),
        ("beaten", Metric(value=-1, low=-3, high=1), Verdict.KEEP),
        ("beaten", Metric(value=-4, low=-7, high=-1), Verdict.PROMOTE),
        ("report", Metric(value=4, low=1, high=7), Verdict.PROMOTE),
    ],
)
def test_a_version_is_held_against_the_simple_models_beside_it(
    baselines: str, difference: Metric, verdict: Verdict
) -> None:
    decision = decide(priced(20 + difference.value, simple=difference), Gate(baselines=baselines), None)
    assert decision.verdict is verdict
    if verdict is Verdict.KEEP:
        assert f"{'better' if baselines == 'beaten' else 'not worse'} than {REGRESSION}" in failures(decision)


def test_a_version_that_is_certainly_worse_than_a_simple_model_hears_what_to_do() -> None:
    decision = decide(priced(24, simple=Metric(value=4, low=1, high=7)), Gate(), None)
    assert failures(decision)[f"not worse than {REGRESSION}"] == (
        f"{MAE} 24.000 EUR (95 % interval 23.000–25.000) is certainly worse than a {REGRESSION}: 20.000, gain −4.000 "
        "(−7.000 to −1.000); train longer, on more rows or with other settings, or serve the simple model; "
        "gate.baselines: report lets it through all the same"
    )


def test_a_baseline_that_was_scored_on_other_rows_refuses() -> None:
    whole = priced(9.0)
    unpaired = whole.model_copy(update={"references": (Baseline(label=REGRESSION, metrics={MAE: 20.0}),)})
    assert list(failures(decide(unpaired, Gate(), None))) == [f"not worse than {REGRESSION}"]


@pytest.mark.parametrize(
    ("mae", "difference", "words"),
    [
        (
            24,
            Metric(value=4, low=1, high=7),
            "leads: mean_absolute_error 20.000, this version 24.000; certainly better",
        ),
        (21, Metric(value=1, low=-1, high=3), "20.000, this version 21.000; not certain"),
        (19, Metric(value=-1, low=-3, high=1), None),
    ],
)
def test_a_baseline_that_leads_is_named(mae: float, difference: Metric, words: str | None) -> None:
    sentence = leader_sentence(priced(mae, simple=difference))
    assert (sentence is None) if words is None else (words in str(sentence))


@given(st.floats(0, 60), st.floats(0, 60))
def test_the_gate_judges_errors_as_it_judges_scores_turned_round(ours: float, theirs: float) -> None:
    lower = priced(ours, champion=theirs)
    higher = lower.model_copy(
        update={
            "specs": (MetricSpec(name=MAE),),
            "metrics": {MAE: around(-ours)},
            "baseline": Baseline(label="flat", metrics={MAE: -40.0}),
            "comparison": Comparison(
                champion="old", metrics={MAE: around(-theirs)}, differences={MAE: around(theirs - ours, 0.05)}
            ),
        }
    )
    gate = Gate(margin={MAE: 0.1})
    assert decide(lower, gate, "old").verdict is decide(higher, gate, "old").verdict


def test_a_report_of_before_metrics_had_specs_reads_and_is_judged_as_then() -> None:
    old = priced(0.9).model_dump(mode="json")
    del old["specs"], old["baseline"]["differences"], old["baseline"]["fitted_on"]
    for name in ("kind", "primary_metric", "primary_class_metric", "row_noun", "sections"):
        del old[name]
    old |= {"confusion": [], "worst": [], "terms": {"lead": MAE, "class_lead": MAE}}
    report = EvaluationReport.model_validate(old)
    assert report.spec(MAE).higher
    assert leader_sentence(report) is not None

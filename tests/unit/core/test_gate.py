from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.gate import Gate, decide
from evergreen.core.metric import Metric
from evergreen.core.report import Baseline, ClassReport, Comparison, EvaluationReport, SliceReport, Timings
from evergreen.core.sections import ConfusionMatrix

CHAMPION = "3fa41c0d9e77"
CHALLENGER = "b81e02c4a6f5"
UNDEFINED = Metric(value=nan, low=nan, high=nan)


def around(value: float, half_width: float = 0.02) -> Metric:
    return Metric(value=value, low=value - half_width, high=value + half_width)


def comparison(difference: Metric, champion: str = CHAMPION) -> Comparison:
    return Comparison(champion=champion, metrics={"accuracy": around(0.95)}, differences={"accuracy": difference})


def report(accuracy: Metric | None = None, against: Comparison | None = None, **changes: object) -> EvaluationReport:
    whole = EvaluationReport(
        kind="classification",
        primary_metric="accuracy",
        primary_class_metric="f1",
        version=CHALLENGER,
        splits="5" * 64,
        rows=600,
        labels=("business", "tech"),
        metrics={"accuracy": accuracy or around(0.95), "macro_f1": around(0.94)},
        confidence=0.95,
        baseline=Baseline(label="business", metrics={"accuracy": 0.55}),
        per_class={
            "business": ClassReport(metrics={"recall": around(0.97)}, support=400),
            "tech": ClassReport(metrics={"recall": around(0.81)}, support=200),
        },
        slices=(SliceReport(column="length_chars", value="≤ 1000", rows=90, metrics={"accuracy": around(0.88)}),),
        sections=(ConfusionMatrix(labels=("business", "tech"), counts=((390, 10), (38, 162))),),
        comparison=against,
        size_bytes=91_000_000,
        timings=Timings(latency_p50_ms=12, latency_p95_ms=18.4, rows_per_s=80),
    )
    return whole.model_copy(update=changes)


def failures(decision: PromotionDecision) -> dict[str, str]:
    return {reason.rule: reason.message for reason in decision.reasons if not reason.passed}


def test_the_first_version_that_beats_the_majority_is_promoted() -> None:
    decision = decide(report(), Gate(), champion=None)
    assert decision.verdict is Verdict.PROMOTE
    assert decision.champion is None
    assert not failures(decision)
    assert any("no champion yet" in reason.message for reason in decision.reasons)


@pytest.mark.parametrize(
    ("name", "difference", "margin", "verdict"),
    [
        ("worse", Metric(value=-0.053, low=-0.08, high=-0.03), 0.01, Verdict.KEEP),
        ("equal", Metric(value=0, low=0, high=0), 0, Verdict.PROMOTE),
        ("better", Metric(value=0.03, low=0.01, high=0.05), 0, Verdict.PROMOTE),
        ("a little worse, as allowed", Metric(value=-0.002, low=-0.008, high=0.004), 0.01, Verdict.PROMOTE),
        ("exactly as much worse as allowed", Metric(value=0, low=-0.3 + 0.2, high=0.1), 0.1, Verdict.PROMOTE),
        ("better by chance", Metric(value=0.01, low=-0.02, high=0.04), 0.01, Verdict.KEEP),
        ("better, but a gain is demanded", Metric(value=0.01, low=0.004, high=0.02), -0.01, Verdict.KEEP),
        ("the demanded gain", Metric(value=0.03, low=0.012, high=0.05), -0.01, Verdict.PROMOTE),
        ("undefined", UNDEFINED, 1, Verdict.KEEP),
    ],
)
def test_a_challenger_is_judged_by_the_low_end_of_the_difference(
    name: str, difference: Metric, margin: float, verdict: Verdict
) -> None:
    decision = decide(report(against=comparison(difference)), Gate(margin={"accuracy": margin}), CHAMPION)
    assert decision.verdict is verdict, name
    assert set(failures(decision)) == (set() if verdict is Verdict.PROMOTE else {"margin accuracy"})


def test_a_worse_challenger_is_refused_in_plain_words() -> None:
    worse = Metric(value=-0.053, low=-0.08, high=-0.03)
    decision = decide(report(around(0.897), against=comparison(worse)), Gate(), CHAMPION)
    assert failures(decision)["margin accuracy"] == (
        "accuracy 0.897 (95 % interval 0.877–0.917) is below champion 3fa41c0d9e77's 0.950: difference −0.053 "
        "(−0.080 to −0.030), at least −0.010 required of the interval's low end"
    )


@pytest.mark.parametrize(
    ("gate", "rule", "message"),
    [
        (
            Gate(minimum={"accuracy": 0.96}),
            "minimum accuracy",
            "0.950 (95 % interval 0.930–0.970) is below the minimum",
        ),
        (Gate(minimum={"macro_recall": 0.1}), "minimum macro_recall", "not measured (report has: accuracy, macro_f1)"),
        (Gate(class_floors={"recall": 0.85}), "class recall", "below the floor 0.850 or undefined: class 'tech' 0.810"),
        (Gate(class_floors={"f1": 0.1}), "class f1", "class 'business' undefined, class 'tech' undefined"),
        (Gate(slice_floors={"accuracy": 0.9}), "slice accuracy", "slice length_chars '≤ 1000' 0.880"),
        (Gate(max_latency_p95_ms=10), "latency", "95th percentile latency 18.4 ms is above the limit 10 ms"),
        (Gate(max_size_mb=90), "size", "size 91.0 MB is above the limit 90 MB"),
        (Gate(min_test_rows=601), "test rows", "measured on 600 test rows, at least 601 required"),
    ],
)
def test_each_rule_refuses_by_itself_and_says_why(gate: Gate, rule: str, message: str) -> None:
    decision = decide(report(), gate, None)
    assert decision.verdict is Verdict.KEEP
    assert list(failures(decision)) == [rule]
    assert message in failures(decision)[rule]


def test_each_rule_passes_what_reaches_it() -> None:
    gate = Gate(
        minimum={"accuracy": 0.95},
        class_floors={"recall": 0.81},
        slice_floors={"accuracy": 0.88},
        max_latency_p95_ms=18.4,
        max_size_mb=91,
        min_test_rows=600,
    )
    decision = decide(report(), gate, None)
    assert decision.verdict is Verdict.PROMOTE
    assert len(decision.reasons) == 9


def test_an_undefined_metric_refuses() -> None:
    decision = decide(report(UNDEFINED), Gate(minimum={"accuracy": 0}), None)
    assert set(failures(decision)) == {"minimum accuracy", "better than majority"}
    assert "undefined" in failures(decision)["minimum accuracy"]


def test_an_undefined_latency_refuses() -> None:
    timings = Timings(latency_p50_ms=nan, latency_p95_ms=nan, rows_per_s=nan)
    assert "latency" in failures(decide(report(timings=timings), Gate(max_latency_p95_ms=1), None))


def test_a_margin_on_a_metric_that_was_not_compared_refuses() -> None:
    against = comparison(around(0.01))
    assert decide(report(against=against), Gate(margin={"macro_f1": 1}), CHAMPION).verdict is Verdict.KEEP


def test_a_model_no_better_than_the_majority_is_refused() -> None:
    decision = decide(report(around(0.56)), Gate(), None)
    assert "always answering 'business': 0.550" in failures(decision)["better than majority"]


def test_floors_on_slices_that_nothing_was_large_enough_for_refuse() -> None:
    assert "slice accuracy" in failures(decide(report(slices=()), Gate(slice_floors={"accuracy": 0}), None))


def test_the_champion_is_not_promoted_again() -> None:
    decision = decide(report(version=CHAMPION), Gate(), CHAMPION)
    assert decision.verdict is Verdict.KEEP
    assert [reason.message for reason in decision.reasons] == [f"version {CHAMPION} is already the champion"]


@pytest.mark.parametrize(
    ("judged_against", "champion", "words"),
    [
        ("000000000000", CHAMPION, "judged against champion 000000000000, now 3fa41c0d9e77 is"),
        (None, CHAMPION, "judged against no champion, now 3fa41c0d9e77 is"),
        (CHAMPION, None, "judged against champion 3fa41c0d9e77, now there is none"),
    ],
)
def test_a_report_that_was_judged_against_another_champion_is_refused(
    judged_against: str | None, champion: str | None, words: str
) -> None:
    against = comparison(around(0.1), judged_against) if judged_against else None
    decision = decide(report(against=against), Gate(), champion)
    assert decision.verdict is Verdict.KEEP
    assert words in failures(decision)["present champion"]
    assert "run the pipeline again" in failures(decision)["present champion"]


@pytest.mark.parametrize("missing", [False, True])
def test_a_class_without_test_rows_is_not_let_live_unmeasured(missing: bool) -> None:
    business = ClassReport(metrics={"recall": around(0.97)}, support=400)
    tech = {} if missing else {"tech": ClassReport(metrics={"recall": UNDEFINED}, support=0)}
    decision = decide(report(per_class={"business": business, **tech}), Gate(), None)
    assert failures(decision) == {
        "test rows of every class": "no test rows of 'tech': not measured; add rows of it, or raise split.test"
    }


@pytest.mark.parametrize("low", [0.0, -0.02])
def test_a_champion_that_may_know_the_test_rows_is_told_where_it_is_compared(low: float) -> None:
    doubt = "split.seed was 0 when it was trained and is 1 now"
    against = comparison(Metric(value=0.01, low=low, high=0.03)).model_copy(update={"doubt": doubt})
    decision = decide(report(against=against), Gate(), CHAMPION)
    (reason,) = [reason for reason in decision.reasons if reason.rule == "fair comparison"]
    assert f"champion {CHAMPION} may have been trained on some of the test rows ({doubt})" in reason.message
    assert reason.passed == (low == 0)
    assert decision.verdict is (Verdict.PROMOTE if low == 0 else Verdict.KEEP)
    assert ("split as before" in reason.message) == (low < 0)


@pytest.mark.parametrize(
    ("withdrawn", "told"),
    [
        ("b81e02c4a6f5", "b81e02c4a6f5 was champion and was rolled back; `rollback` makes it champion again"),
        ("00c62b841905", "b81e02c4a6f5 repeats the recipe of 00c62b841905, which was champion and was rolled back; "),
    ],
)
def test_a_version_that_was_rolled_back_or_its_recipe_does_not_come_back_by_itself(withdrawn: str, told: str) -> None:
    decision = decide(report(against=comparison(around(0.1))), Gate(), CHAMPION, withdrawn=withdrawn)
    assert list(failures(decision)) == ["not rolled back"]
    assert told in failures(decision)["not rolled back"]


def test_what_nobody_let_through_is_kept_out_in_the_words_of_who_was_asked() -> None:
    words = "version b81e02c4a6f5 was rejected by ann@laptop on 2026-11-30 10:00 UTC: too slow"
    decision = decide(report(against=comparison(around(0.1))), Gate(), CHAMPION, refused=words)
    assert failures(decision) == {"approval": words}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"minimum": {"accuracy": "high"}}, "valid number"),
        ({"margin": {"accuracy": nan}}, "finite"),
        ({"baselines": "better"}, "'not_worse', 'beaten' or 'report'"),
        ({"max_size_mb": 0}, "greater than 0"),
        ({"minimal": {}}, "Extra inputs"),
    ],
)
def test_a_gate_with_a_mistake_is_refused_when_it_is_configured(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Gate.model_validate(fields)


shares = st.floats(0, 1)


@given(shares, shares, shares)
def test_raising_a_floor_never_promotes_what_was_kept(accuracy: float, floor: float, higher: float) -> None:
    low, high = sorted((floor, higher))
    easy, hard = (Gate(minimum={"accuracy": least}, beat_baseline=False) for least in (low, high))
    result = report(around(accuracy))
    assert decide(result, hard, None).verdict is Verdict.KEEP or decide(result, easy, None).verdict is Verdict.PROMOTE


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(-1, 1))
def test_a_promotion_over_a_champion_always_has_its_difference_within_the_margin(
    low: float, width: float, margin: float
) -> None:
    difference = Metric(value=low + width / 2, low=low, high=low + width)
    decision = decide(report(against=comparison(difference)), Gate(margin={"accuracy": margin}), CHAMPION)
    assert (decision.verdict is Verdict.PROMOTE) == (low >= -margin - 1e-9)


@given(
    st.sampled_from(["accuracy", "macro_f1", "macro_recall"]), st.booleans(), st.sampled_from([None, "00c62b841905"])
)
def test_a_verdict_is_promote_exactly_when_every_reason_passed(
    name: str, compared: bool, withdrawn: str | None
) -> None:
    against = comparison(around(0.03)) if compared else None
    decision = decide(report(against=against), Gate(minimum={name: 0.5}), CHAMPION, withdrawn=withdrawn)
    assert (decision.verdict is Verdict.PROMOTE) == (not failures(decision))
    assert decision.reasons


@pytest.mark.parametrize(
    "against", [None, comparison(Metric(value=0.02, low=0.01, high=0.03), champion="a1b2c3d4e5f6")]
)
def test_a_repetition_of_the_champions_recipe_is_kept_out_for_good(against: Comparison | None) -> None:
    decision = decide(report(against=against), Gate(), CHAMPION, repeats_champion=True)
    assert decision.verdict is Verdict.KEEP
    assert failures(decision) == {
        "new recipe": "version b81e02c4a6f5 repeats the recipe of champion 3fa41c0d9e77, there is nothing to replace; "
        "change rows, task, split or seed to train another model"
    }


def test_the_metric_that_the_report_leads_with_is_the_one_that_is_judged_by_default() -> None:
    terms = {"primary_metric": "mean_iou", "primary_class_metric": "iou", "row_noun": "image"}
    ours, theirs = around(0.7), around(0.75)
    against = comparison(Metric(value=-0.05, low=-0.07, high=-0.03))
    against = against.model_copy(
        update={"metrics": {"mean_iou": theirs}, "differences": {"mean_iou": against.differences["accuracy"]}}
    )
    masks = report(
        metrics={"mean_iou": ours}, baseline=Baseline(label="a", metrics={"mean_iou": 0.3}), comparison=against
    ).model_copy(update=terms)
    decision = decide(masks, Gate(minimum={"mean_iou": 0.6}), CHAMPION)
    assert set(failures(decision)) == {"margin mean_iou"}
    assert any(reason.rule == "better than majority" and "mean_iou" in reason.message for reason in decision.reasons)
    assert any("test images" in reason.message for reason in decision.reasons)


@pytest.mark.parametrize(("value", "verdict"), [(-0.001, Verdict.PROMOTE), (-0.002, Verdict.KEEP)])
def test_a_bare_difference_may_be_judged_beside_an_interval(value: float, verdict: Verdict) -> None:
    difference = Metric(value=value, low=-0.04, high=0.03)
    rules = Gate(minimum={"accuracy": 0.55}, margin={"accuracy": 0.05}, value_margin={"accuracy": 0.001})
    decision = decide(report(against=comparison(difference)), rules, CHAMPION)
    assert decision.verdict is verdict
    assert set(failures(decision)) == (set() if verdict is Verdict.PROMOTE else {"value margin accuracy"})

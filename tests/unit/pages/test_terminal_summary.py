from __future__ import annotations

import shlex

from evergreen.core.decision import PromotionDecision, Reason
from evergreen.core.deployment import Deployment
from evergreen.core.report import EvaluationReport
from evergreen.pages.curl import curl_command
from evergreen.pages.terminal import evaluation_lines, terminal_summary
from tests.unit.pages.reading import UNDEFINED


def test_a_run_ends_with_quality_verdict_endpoint_and_traffic(
    report: EvaluationReport, promoted: PromotionDecision, live: Deployment
) -> None:
    assert terminal_summary(report, promoted, live, page="reports/report.html").splitlines() == [
        "accuracy    0.950 (95 % interval 0.930 to 0.970) on 200 test rows; always answering 'sports' scores 0.600",
        "champion    champion0001: difference +0.050 (+0.030 to +0.070), better",
        "verdict     promote: version challenger01 passed all 1 rule and may be deployed.",
        "deployment  live: version challenger01 serves all traffic.",
        "endpoint    http://127.0.0.1:8501/predict",
        "traffic     challenger01 100 %",
        "report      reports/report.html",
        f"try it      {curl_command('http://127.0.0.1:8501/predict')}",
    ]


def test_an_evaluation_prints_each_metric_and_the_rows_that_flatter_it(scored: EvaluationReport) -> None:
    assert evaluation_lines(scored, "reports/score.html").splitlines() == [
        "version     challenger01",
        "accuracy    0.950 (95 % interval 0.930 to 0.970) on 200 labelled rows; always answering 'sports' scores 0.600",
        "macro_f1    0.940 (95 % interval 0.920 to 0.960)",
        "scored_rows 150 rows new to it: accuracy 0.940; 50 rows that it was trained on, which flatters it: accuracy "
        "1.000; 3 more without a label",
        "report      reports/score.html",
    ]


def test_the_page_of_an_endpoint_is_named_where_there_is_one(
    report: EvaluationReport, promoted: PromotionDecision, live: Deployment
) -> None:
    paged = live.model_copy(update={"page": "http://127.0.0.1:8501/"})
    lines = terminal_summary(report, promoted, paged).splitlines()
    assert "page        http://127.0.0.1:8501/ to try it in a browser" in lines
    assert lines[-1].startswith("try it")


def test_the_command_for_a_guarded_endpoint_fetches_a_token(
    report: EvaluationReport, promoted: PromotionDecision, live: Deployment
) -> None:
    guarded = live.model_copy(update={"url": "https://1.example/v1/e:predict", "token_command": "gcloud auth token"})
    command = terminal_summary(report, promoted, guarded).splitlines()[-1]
    assert 'curl -s https://1.example/v1/e:predict -H "Authorization: Bearer $(gcloud auth token)"' in command


def test_a_kept_version_lists_the_reasons_that_failed(
    report: EvaluationReport, kept: PromotionDecision, live: Deployment
) -> None:
    text = terminal_summary(report, kept, live)
    assert "keep the champion: version challenger01 failed 1 of 2 rules; champion champion0001 stays." in text
    assert "- accuracy 0.912 is below champion's 0.965" in text
    assert "reaches the minimum" not in text


def test_however_many_rules_fail_the_summary_stays_short_and_keeps_the_command(
    report: EvaluationReport, kept: PromotionDecision, live: Deployment
) -> None:
    reasons = tuple(Reason(rule=f"rule {i}", passed=False, message=f"much\ntoo bad {i} " * 40) for i in range(40))
    paged = live.model_copy(update={"page": "http://127.0.0.1:8501/"})
    lines = terminal_summary(report, kept.model_copy(update={"reasons": reasons}), paged, page="r.html").splitlines()
    assert len(lines) <= 16
    assert any("and 35 more" in line for line in lines)
    assert lines[-1].startswith("try it")


def test_without_metrics_and_endpoint_the_summary_says_so(
    report: EvaluationReport, promoted: PromotionDecision, live: Deployment
) -> None:
    nothing = live.model_copy(update={"outcome": "none", "url": None, "traffic": {}, "message": "not promoted"})
    text = terminal_summary(report.model_copy(update={"metrics": {}}), promoted, nothing)
    assert "no metric was measured" in text
    assert "endpoint    none" in text
    assert "curl" not in text
    undefined = terminal_summary(report.model_copy(update={"metrics": {"accuracy": UNDEFINED}}), promoted, nothing)
    assert "accuracy    undefined (95 % interval undefined to undefined)" in undefined


def test_data_cannot_steer_the_terminal(
    report: EvaluationReport, promoted: PromotionDecision, live: Deployment
) -> None:
    baseline = report.baseline.model_copy(update={"label": "\x1b[31mred\x07"})
    text = terminal_summary(report.model_copy(update={"baseline": baseline}), promoted, live)
    assert "\x1b" not in text
    assert "\x07" not in text


def test_the_command_asks_for_the_endpoints_own_example_from_a_file_where_it_is_long(
    report: EvaluationReport, promoted: PromotionDecision, live: Deployment
) -> None:
    short = live.model_copy(update={"example": {"text": "It's a goal"}})
    assert shlex.split(terminal_summary(report, promoted, short).splitlines()[-1])[-1] == (
        '{"instances": [{"text": "It\'s a goal"}]}'
    )
    picture = live.model_copy(update={"example": {"image": "iVBOR" * 1000}})
    command = terminal_summary(report, promoted, picture, request_file="/home/me/my zen/news.json").splitlines()[-1]
    assert shlex.split(command)[-1] == "@/home/me/my zen/news.json"
    assert len(command) < 250


def test_the_first_lines_tell_what_was_read_of_what_was_seen_and_what_is_in_no_split(
    report: EvaluationReport, promoted: PromotionDecision, live: Deployment
) -> None:
    sentence = "60 read of 62 seen; left out: 2 masks without a picture (a.png, b.png)"
    apart = "3 rows in no split (3 near duplicate)"
    lines = terminal_summary(report, promoted, live, intake=f"{sentence}\n{apart}").splitlines()
    assert lines[:2] == [f"rows        {sentence}", f"rows        {apart}"]
    assert terminal_summary(report, promoted, live, intake=sentence).splitlines()[0] == f"rows        {sentence}"


def test_what_a_person_said_and_what_to_do_about_it_are_told_whole(
    report: EvaluationReport, kept: PromotionDecision, live: Deployment
) -> None:
    message = f"version c3 repeats the recipe of b2, which was rejected: {'too slow ' * 55}; change rows or seed"
    reasons = (Reason(rule="approval", passed=False, message=message),)
    text = terminal_summary(report, kept.model_copy(update={"reasons": reasons}), live)
    assert "; change rows or seed" in text

from __future__ import annotations

from evergreen.core.decision import PromotionDecision, Reason
from evergreen.core.deployment import Deployment
from evergreen.core.report import EvaluationReport
from evergreen.pages.markdown import outcome_markdown
from tests.unit.pages.reading import UNDEFINED


def markdown(report: EvaluationReport, decision: PromotionDecision, deployment: Deployment) -> str:
    return outcome_markdown(
        report, decision, deployment, page="gs://b/page.html", run="training-7", run_url="https://z/runs/7"
    )


def test_challenger_stands_beside_champion_with_difference_and_intervals(
    report: EvaluationReport, promoted: PromotionDecision, live: Deployment
) -> None:
    lines = markdown(report, promoted, live).splitlines()
    assert lines[0] == "### news: promote"
    table = [line for line in lines if line.startswith("|")]
    assert table[0].count("|") == table[1].count("|") == table[2].count("|") == 8
    assert table[2:4] == [
        "| **Accuracy** | 0.900 | 0.950 | 0.930–0.970 | +0.050 | +0.030 to +0.070 | better |",
        "| Macro F1 | 0.890 | 0.940 | 0.920–0.960 | +0.010 | −0.010 to +0.030 | no clear difference |",
    ]
    assert "| sports | 113 | 7 |" in table
    assert "Measured on 200 test rows; always answering 'sports' scores 0.600." in "\n".join(lines)
    assert lines[-1] == "Run [training-7](https://z/runs/7), report `gs://b/page.html`"


def test_the_rules_that_failed_stand_open_and_the_others_folded(
    report: EvaluationReport, kept: PromotionDecision, live: Deployment
) -> None:
    open_part, _, folded = markdown(report, kept, live).partition("<details>")
    assert "### news: keep the champion" in open_part
    assert "- ✗ **margin accuracy** accuracy 0.912 is below champion's 0.965" in open_part
    assert "minimum accuracy" not in open_part
    assert "<summary>1 of 2 rules passed</summary>" in folded
    assert "- ✓ **minimum accuracy**" in folded


def test_without_a_champion_and_with_an_undefined_metric_the_table_says_so(
    report: EvaluationReport, promoted: PromotionDecision, live: Deployment
) -> None:
    alone = report.model_copy(update={"comparison": None, "metrics": {"accuracy": UNDEFINED}})
    assert "| **Accuracy** | – | undefined | undefined | – | – |  |" in markdown(alone, promoted, live)


def test_data_cannot_write_markup_nor_call_anybody(
    report: EvaluationReport, kept: PromotionDecision, live: Deployment
) -> None:
    evil = Reason(rule="floor", passed=False, message="[x](https://evil.example) <img src=y> @everyone\n# big | cell")
    text = markdown(report, kept.model_copy(update={"reasons": (evil,)}), live)
    (line,) = [line for line in text.splitlines() if "floor" in line]
    assert (
        line == "- ✗ **floor** \\[x\\](https://evil.example) \\<img src=y\\> @\N{WORD JOINER}everyone \\# big \\| cell"
    )

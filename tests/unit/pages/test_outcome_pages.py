from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Literal

import pytest

from evergreen.core.decision import PromotionDecision
from evergreen.core.deployment import Deployment
from evergreen.core.judge.settings import Ruling
from evergreen.core.publication import Publication
from evergreen.core.shadow import Latency, ShadowReport
from evergreen.pages.curl import curl_command
from evergreen.pages.outcome import decision_page, deployment_page, publication_page
from evergreen.pages.terminal import publication_lines
from tests.judgements import shares
from tests.unit.pages.reading import Page

Read = Callable[[str], Page]


def test_a_kept_version_is_told_why_with_failed_rules_first(kept: PromotionDecision, read: Read) -> None:
    text = read(decision_page(kept)).text
    assert "failed 1 of 2 rules; champion champion0001 stays" in text
    assert text.index("below champion's 0.965") < text.index("reaches the minimum")


def test_a_promoted_version_is_told_so(promoted: PromotionDecision, read: Read) -> None:
    text = read(decision_page(promoted)).text
    assert "✓ Promote Version challenger01 passed all 1 rule and may be deployed." in text
    assert "Why not" not in text


def test_the_champion_itself_is_no_failure(kept: PromotionDecision, read: Read) -> None:
    text = read(decision_page(kept.model_copy(update={"champion": kept.version}))).text
    assert "is the champion already" in text
    assert "✗" not in text


def test_a_refused_first_version_leaves_nothing_deployed(kept: PromotionDecision, read: Read) -> None:
    assert "nothing is deployed" in read(decision_page(kept.model_copy(update={"champion": None}))).text


def test_a_gate_without_rules_says_so(promoted: PromotionDecision, read: Read) -> None:
    assert "The gate has no rules" in read(decision_page(promoted.model_copy(update={"reasons": ()}))).text


def test_a_deployment_shows_endpoint_traffic_and_a_command(live: Deployment, read: Read) -> None:
    page = read(deployment_page(live))
    assert "Live version challenger01 serves all traffic." in page.text
    assert "challenger01 100 %" in page.drawings[0].attrib["aria-label"].replace("\N{NO-BREAK SPACE}", " ")
    assert curl_command("http://127.0.0.1:8501/predict") in page.text


def test_a_ramp_is_shown_share_by_share_with_what_the_judge_saw(live: Deployment, read: Read) -> None:
    ramped = live.model_copy(update={"transitions": shares(), "tried": "challenger02"})
    text = read(deployment_page(ramped)).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "5 % 2026-05-04 09:30:00 UTC 2026-05-04 09:31:00 UTC readiness alone – it was ready and answered" in text
    assert "traffic that version challenger02 had on its way" in text
    assert "replayed rows – 64 kept rows were replayed" in text
    assert "requests of clients 1,234 20,000 seen in 1,234 requests" in text
    assert "nothing worse 1.20% failed rule: errors" in text
    assert "8 % slower rule: latency" in text
    assert text.count("a dry run: it decides nothing") == 1
    assert "Rollout" not in read(deployment_page(live)).text


@pytest.mark.parametrize(
    ("ruling", "why", "pill"),
    [
        (Ruling.ROLL_BACK, "the newcomer is worse: errors", "worse"),
        (Ruling.INCONCLUSIVE, "the newcomer may be worse: errors", "inconclusive"),
    ],
)
def test_what_speaks_against_a_version_is_told_by_the_findings_of_its_last_share_alone(
    ruling: Ruling, why: str, pill: str, live: Deployment, read: Read
) -> None:
    ramped = live.model_copy(update={"transitions": shares(ruling), "tried": "challenger02"})
    text = read(deployment_page(ramped)).text.replace("\N{NO-BREAK SPACE}", " ")
    assert f"requests of clients 1,234 20,000 {why} What the judge saw" in text
    assert f"{pill} 1.20% failed rule: errors" in text
    assert text.count("1.20% failed") == 1


def test_a_share_that_went_on_keeps_its_own_reason(live: Deployment, read: Read) -> None:
    earlier, last = shares(Ruling.INCONCLUSIVE)[-1], shares(Ruling.ROLL_BACK)[-1]
    text = read(deployment_page(live.model_copy(update={"transitions": (earlier, last)}))).text
    assert text.count("seen in 1,234 requests: errors: 1.20% failed") == 1


def test_a_deployment_shows_what_came_of_copies_of_requests(live: Deployment, read: Read) -> None:
    shadow = ShadowReport(
        version="challenger01",
        copies=1200,
        failed=3,
        dropped=40,
        instances=1197,
        agreement=0.975,
        newcomer=Latency(median_ms=12.5, p95_ms=30),
        others=Latency(median_ms=11, p95_ms=25),
    )
    text = read(deployment_page(live.model_copy(update={"shadow": shadow}))).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Copies 1,200, 3 of them failed" in text
    assert "97.5 % of 1,197 instances" in text
    assert "12.5 and 30.0 ms; of those who answered 11.0 and 25.0 ms" in text
    without = read(deployment_page(live.model_copy(update={"shadow": ShadowReport(version="challenger01")}))).text
    assert "no request was copied" in without
    assert "As a shadow" not in read(deployment_page(live)).text


def test_traffic_bars_are_shares_of_all_requests(live: Deployment, read: Read) -> None:
    page = read(deployment_page(live.model_copy(update={"traffic": {"a": 80, "b": 20}})))
    widths = [float(bar.attrib["width"]) for bar in page.drawings[0].iter("rect")]
    assert widths[0] == pytest.approx(4 * widths[1], rel=1e-3)


@pytest.mark.parametrize("outcome", ["live", "kept", "rolled_back", "none"])
def test_every_outcome_has_a_page_without_an_endpoint(
    outcome: Literal["live", "kept", "rolled_back", "none"], live: Deployment, read: Read
) -> None:
    bare = live.model_copy(update={"outcome": outcome, "url": None, "version": None, "traffic": {}})
    text = read(deployment_page(bare)).text
    assert "no endpoint listens" in text
    assert "curl" not in text


def test_a_shell_reads_the_command_as_it_was_meant() -> None:
    words = shlex.split(curl_command("http://localhost:1/predict?a='1'&b=$HOME"))
    assert words[2] == "http://localhost:1/predict?a='1'&b=$HOME"
    (instance,) = json.loads(words[-1])["instances"]
    assert instance["text"].startswith("The central bank")


def test_a_request_too_long_for_a_command_line_is_shown_as_the_file_that_the_command_reads(
    live: Deployment, read: Read
) -> None:
    page = read(deployment_page(live.model_copy(update={"example": {"image": "iVBOR" * 500}})))
    assert "-d @request.json" in page.text
    assert '{"instances": [{"image": "iVBORiVBOR' in page.text
    assert "request.json" not in read(deployment_page(live)).text


def test_a_publication_is_told_with_its_revision_and_space() -> None:
    publication = Publication(
        outcome="published",
        message="challenger01 published as vchallenger01",
        version="challenger01",
        url="https://hub/org/news/tree/vchallenger01",
        revision="vchallenger01",
        commit="c" * 40,
        space_url="https://hub/spaces/org/demo",
    )
    page = publication_page(publication)
    for text in (publication.message, publication.url, publication.commit, publication.space_url):
        assert str(text) in page
    lines = publication_lines(publication).splitlines()
    assert lines[0].startswith(
        "published   published: challenger01 published as vchallenger01 https://hub/org/news/tree"
    )
    assert lines[1] == "space       https://hub/spaces/org/demo"
    nothing = Publication(outcome="none", message="nothing new is published")
    assert "Nothing published" in publication_page(nothing)
    assert publication_lines(nothing) == "published   none: nothing new is published"

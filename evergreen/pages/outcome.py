"""Pages of what became of a version: the gate's decision and the deployment."""

from __future__ import annotations

from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.deployment import Deployment, Transition
from evergreen.core.judge.settings import Ruling
from evergreen.core.publication import Publication
from evergreen.core.shadow import Latency, ShadowReport
from evergreen.pages.charts import Bar, Group, bars
from evergreen.pages.curl import curl_command, needs_file, request_body
from evergreen.pages.formatting import UNDEFINED, count, counted, percent
from evergreen.pages.render import render

OUTCOMES = {
    "live": ("good", "Live"),
    "kept": ("neutral", "Champion kept"),
    "rolled_back": ("bad", "Rolled back"),
    "none": ("neutral", "Nothing deployed"),
    "waiting": ("neutral", "Waiting for approval"),
    "registered": ("neutral", "Registered, not deployed"),
}

EVIDENCE = {"requests": "requests of clients", "replay": "replayed rows", "readiness": "readiness alone"}

RULINGS = {
    Ruling.GO_ON: ("good", "nothing worse"),
    Ruling.HOLD: ("neutral", "too few requests"),
    Ruling.INCONCLUSIVE: ("warn", "inconclusive"),
    Ruling.ROLL_BACK: ("bad", "worse"),
}

AGAINST = {Ruling.INCONCLUSIVE: "the newcomer may be worse", Ruling.ROLL_BACK: "the newcomer is worse"}
"""What a judgement says against a newcomer, where its findings stand beside it."""

PUBLISHED = {
    "published": ("good", "Published"),
    "unchanged": ("neutral", "Published before"),
    "planned": ("neutral", "Only planned"),
    "none": ("neutral", "Nothing published"),
}


def verdict_words(decision: PromotionDecision) -> tuple[str, str, str]:
    """(tone, title, sentence) of a decision in plain words."""
    version, rules = decision.version, counted(len(decision.reasons), "rule")
    failed = sum(not reason.passed for reason in decision.reasons)
    if decision.verdict is Verdict.PROMOTE:
        return "good", "Promote", f"Version {version} passed all {rules} and may be deployed."
    if decision.champion == version:
        return "neutral", "No change", f"Version {version} is the champion already."
    verdict = f"Version {version} failed {failed} of {rules}"
    if decision.champion is None:
        return "bad", "Do not promote", f"{verdict}; there is no champion, so nothing is deployed."
    return "bad", "Keep the champion", f"{verdict}; champion {decision.champion} stays."


def decision_page(decision: PromotionDecision) -> str:
    """HTML: the verdict and every rule of the gate, those that failed first."""
    tone, title, sentence = verdict_words(decision)
    return render(
        "decision.html",
        decision=decision,
        tone=tone,
        verdict=title,
        sentence=sentence,
        failed=[reason for reason in decision.reasons if not reason.passed],
        passed=[reason for reason in decision.reasons if reason.passed],
    )


def deployment_page(deployment: Deployment) -> str:
    """HTML: what the endpoint serves, a command that asks it, and the shares of the ramp with their evidence."""
    tone, title = OUTCOMES[deployment.outcome]
    judged = next((share for share in reversed(deployment.transitions) if share.judgement), None)
    body = request_body(deployment.example)
    groups = [
        Group(
            version, (Bar(share, percent(share / 100, 0), "accent" if version == deployment.version else "champion"),)
        )
        for version, share in sorted(deployment.traffic.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    return render(
        "deployment.html",
        deployment=deployment,
        tone=tone,
        outcome=title,
        traffic_chart=bars("Traffic by version", groups, full=100),
        command=curl_command(deployment.url, deployment.token_command, deployment.example) if deployment.url else None,
        body=body if needs_file(body) else None,
        evidence=EVIDENCE,
        rulings=RULINGS,
        findings=judged.judgement.findings if judged and judged.judgement else (),
        shares=[(share, _why(share, in_short=share is judged)) for share in deployment.transitions],
        shadow=_shadow_facts(deployment.shadow) if deployment.shadow else None,
    )


def _why(share: Transition, *, in_short: bool) -> str:
    """Why the share ended; `in_short` it names the rules alone, whose findings are shown."""
    found = share.judgement
    if in_short and found and found.ruling in AGAINST:
        rules = ", ".join(one.rule for one in found.findings if one.ruling is found.ruling and not one.dry_run)
        return share.message.replace(found.message, f"{AGAINST[found.ruling]}: {rules}")
    return share.message or "it was ready and answered"


def _shadow_facts(shadow: ShadowReport) -> list[tuple[str, str, bool]]:
    """What is told of copies of requests: names and values, none of which is code."""
    if not shadow.copies:
        told = f"nothing: no request was copied, {counted(shadow.dropped, 'request')} passed over"
        return [("Compared", told, False)]
    agreement = "nothing was answered" if shadow.agreement is None else percent(shadow.agreement, 1)
    rows = [
        ("Copies", f"{count(shadow.copies)}, {count(shadow.failed)} of them failed"),
        ("Passed over", f"{count(shadow.dropped)}: it was behind or not ready, or they were too large"),
        ("Answers that agree", f"{agreement} of {counted(shadow.instances, 'instance')}"),
        (
            "Latency, median and 95th percentile",
            f"{_latency(shadow.newcomer)}; of those who answered {_latency(shadow.others)}",
        ),
    ]
    return [(name, value, False) for name, value in rows]


def _latency(latency: Latency | None) -> str:
    return f"{latency.median_ms:,.1f} and {latency.p95_ms:,.1f} ms" if latency else UNDEFINED


def publication_page(publication: Publication) -> str:
    """HTML: where a version can be read and tried."""
    return render("publication.html", publication=publication, outcome=PUBLISHED[publication.outcome])

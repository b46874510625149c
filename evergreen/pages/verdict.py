"""Pages of monitoring: what requests are compared with, and what a window of them says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from evergreen.core.verdict import Distribution, Moved, Verdict, spoken
from evergreen.pages.charts import Bar, Group, IntervalRow, Whisker, bars, intervals, legend
from evergreen.pages.formatting import compact, counted, percent, words
from evergreen.pages.render import render
from evergreen.pages.svg import Svg

DRIFT_RULE, QUALITY_RULE = "refresh.when.drift", "refresh.when.quality"
"""Which rule of the next training a verdict counts for."""
SERIES = (("evaluated on", "champion"), ("this window", "accent"))


def reference_page(manifest: Mapping[str, object]) -> str:
    """HTML: of which version, by which engine, of how many rows."""
    return render("reference.html", manifest=manifest)


def verdict_page(verdict: Verdict) -> str:
    """HTML: whether the world moved, what of it, since when, and what that counts for."""
    tone, title = _title(verdict)
    alarms = {one.name or one.evidence for one in verdict.alarms}
    ordered = sorted(verdict.distributions, key=lambda one: one.name not in alarms)
    moved = sorted(verdict.moved, key=lambda one: (not one.alarm, one.p_value))
    return render(
        "verdict.html",
        verdict=verdict,
        tone=tone,
        title=title,
        counts_for=_counts_for(verdict),
        moved=moved,
        shift_chart=_shifts(moved) if moved else None,
        legend=legend(SERIES),
        charts=[(words(spoken(one.name)), one.name in alarms, distribution_chart(one)) for one in ordered],
        share_chart=_class_shares(verdict) if verdict.class_shares else None,
    )


def distribution_chart(one: Distribution) -> Svg:
    """Shares of both by bin, or by class."""
    labels = one.labels or _bins(one.edges)
    groups = [
        Group(label, (Bar(known, percent(known), "champion"), Bar(now, percent(now))))
        for label, known, now in zip(labels, one.reference, one.window, strict=True)
    ]
    return bars(words(spoken(one.name)), groups)


def _bins(edges: Sequence[float]) -> list[str]:
    """`up to 12`, `12 to 20`, `above 60`."""
    between = [f"{compact(low)} to {compact(high)}" for low, high in pairwise(edges)]
    return [f"up to {compact(edges[0])}", *between, f"above {compact(edges[-1])}"]


def _title(verdict: Verdict) -> tuple[str, str]:
    if verdict.drifted:
        return "bad", "The world moved"
    if verdict.below:
        return "bad", "Worse than its floor"
    return ("good", "Quiet") if verdict.enough else ("neutral", "Too little to say anything")


def _counts_for(verdict: Verdict) -> list[str]:
    """The rules of the next training, each in a sentence."""
    sentences = []
    if verdict.drifted:
        drifted, windows = sum(verdict.windows), counted(len(verdict.windows), "window")
        which = f"{drifted} of the last {windows}" if len(verdict.windows) > 1 else "the last window"
        sentences.append(f"{which} drifted: counts for {DRIFT_RULE}")
    if verdict.below:
        below = ", ".join(map(words, verdict.below))
        sentences.append(f"{below} is certainly below its floor: counts for {QUALITY_RULE}")
    return sentences


def _shifts(moved: Sequence[Moved]) -> Svg:
    """How far each kind of evidence moved, with its interval."""
    rows = [
        IntervalRow(
            words(one.words),
            (Whisker(one.shift, compact(one.shift.value), "bad" if one.alarm else "accent"),),
        )
        for one in moved
    ]
    return intervals("Shift in units of the reference's spread", rows)


def _class_shares(verdict: Verdict) -> Svg:
    rows = [
        IntervalRow(label, (Whisker(share, percent(share.value)),), _known_share(verdict, label))
        for label, share in verdict.class_shares.items()
    ]
    return intervals("Estimated shares of the classes now", rows)


def _known_share(verdict: Verdict, label: str) -> float | None:
    for one in verdict.distributions:
        if label in one.labels:
            return one.reference[one.labels.index(label)]
    return None

"""Which of what was compared raises an alarm, in words.

Every kind of evidence has one p-value; they are corrected by S. Holm's step-down procedure (1979), which holds however
they hang together. A large window makes any p-value small: so an alarm also takes a shift that is no trifle.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.metric import Metric
from evergreen.core.monitor import DriftRules
from evergreen.core.verdict import Moved, spoken
from evergreen.monitoring.evidence import Compared
from evergreen.monitoring.onset import onset_of


def moved_of(compared: Sequence[Compared], rules: DriftRules, window: ResolvedWindow) -> tuple[Moved, ...]:
    """The comparisons as a verdict has them, in the same order."""
    corrected = holm([one.difference.p_value for one in compared])
    return tuple(_moved(one, p_value, rules, window) for one, p_value in zip(compared, corrected, strict=True))


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value corrected for all of them."""
    order = np.argsort(p_values)
    stepped = np.asarray(p_values, dtype=float)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return [float(value) for value in corrected]


def _moved(one: Compared, p_value: float, rules: DriftRules, window: ResolvedWindow) -> Moved:
    found, in_shares = one.difference, one.evidence == "predictions"
    least = rules.min_share_shift if in_shares else rules.min_shift
    alarm = p_value < rules.level and found.shift.value >= least
    onset = onset_of(found.likeness, found.design, one.times, window) if alarm else None
    words = f"the {spoken(one.name or one.evidence)} moved by {_size(found.shift, in_shares)}: {found.words}"
    return Moved(
        evidence=one.evidence,
        name=one.name,
        shift=found.shift,
        p_value=p_value,
        alarm=alarm,
        message=f"{words}, {onset.words()}" if onset else words,
        since=onset.since if onset else None,
    )


def _size(shift: Metric, in_shares: bool) -> str:
    if in_shares:
        return f"{shift.value:.1%} of the rows ({shift.low:.1%} to {shift.high:.1%})"
    return f"{shift.value:.2f} spreads ({shift.low:.2f} to {shift.high:.2f})"

"""The champion on the same test rows, answered by the engine that serves it.

What a newcomer has to beat is what clients get today.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np

from evergreen.core.admission import Trial
from evergreen.core.artifacts import TrainedModel
from evergreen.core.engines import TORCH
from evergreen.core.errors import EvergreenError
from evergreen.core.quoting import without_rows
from evergreen.evaluation.engines import by_chosen
from evergreen.evaluation.evaluator import A, B, Evaluator, Loaded, finite
from evergreen.evaluation.measure import Counts

_log = logging.getLogger(__name__)


class Rescored(NamedTuple):
    """What the champion's answers count, the engine that gave them, and why that is not the one that serves it."""

    counts: Counts
    engine: str
    stands_in: str | None = None


def rescored(champion: TrainedModel, evaluator: Evaluator[B, A], trial: Trial | None) -> Rescored:
    """What the champion counts on the test rows; by torch, with the reason, where the engine that serves it fails.

    Raises:
        InputError: the champion does not fit the task.
        EvergreenError: an answer of torch's is not finite.
    """
    torch, stands_in = evaluator.load(champion), None
    try:
        served = trial.champion() if trial else None
        if served is not None and served.choice.serves != TORCH:
            return Rescored(_counts(champion, by_chosen(torch, served), evaluator), served.choice.serves)
    except Exception as error:  # whatever a store or a graph's library raises: of bad rows torch tells, too
        said = " ".join(str(error).split()) if isinstance(error, EvergreenError) else ""
        stands_in = without_rows(said) or type(error).__name__
        _log.warning("torch answers for champion %s, not what serves it: %s", champion.version, stands_in)
    return Rescored(_counts(champion, torch, evaluator), TORCH, stands_in)


def _counts(champion: TrainedModel, loaded: Loaded[B, A], evaluator: Evaluator[B, A]) -> Counts:
    return np.concatenate(
        [finite(evaluator.counts(batch, loaded.answer(batch)), champion, batch.ids) for batch in evaluator.rows(())]
    )

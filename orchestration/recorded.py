"""The champion's own run: what it identified, whether its results are still there, and how those are made again.

A run that repeats what the champion's run identified, word for word, is answered from ZenML's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple, get_type_hints

from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.models import StepRunResponse
from zenml.orchestrators.cache_utils import get_cached_step_run

from evergreen.core.artifacts import SourceIdentity
from evergreen.core.errors import EvergreenError
from evergreen.core.part import Part
from evergreen.core.training import Incumbent, Start
from evergreen.core.versions import ModelVersion
from orchestration.artifacts import is_lost, is_stored, read_artifact
from orchestration.fingerprint import VERBS

CACHED = frozenset(VERBS)
"""The steps that may be answered from cache."""
MOST_ANSWERS = 100
"""Of one step in the cache."""
CLOCKS = timedelta(minutes=5)
"""What the clocks of a task and of ZenML's server may differ by."""
REFERENCE = "reference"
"""The output of `evaluate` that runs of earlier releases lack: with another output its cache key is another."""


class Identified(NamedTuple):
    """What the step `identify` puts out, in its order; `recipe` and the codes are fingerprints."""

    identity: SourceIdentity
    part: Part
    incumbent: Incumbent
    start: Start
    recipe: str
    fetch_code: str
    validate_code: str
    split_code: str
    train_code: str
    evaluate_code: str

    @property
    def codes(self) -> dict[str, str]:
        """The fingerprint of each cached step's code, by the step's name."""
        return {name.removesuffix("_code"): getattr(self, name) for name in self._fields if name.endswith("_code")}


Outputs = tuple[
    Annotated[SourceIdentity, "identity"],
    Annotated[Part, "part"],
    Annotated[Incumbent, "incumbent"],
    Annotated[Start, "start"],
    Annotated[str, "recipe"],
    Annotated[str, "fetch_code"],
    Annotated[str, "validate_code"],
    Annotated[str, "split_code"],
    Annotated[str, "train_code"],
    Annotated[str, "evaluate_code"],
]
"""The same, as ZenML has a step's outputs."""


@dataclass(frozen=True)
class RecordedRun:
    """A finished run, by its name: what it identified, its steps, and when it began."""

    name: str
    identified: Identified
    steps: dict[str, StepRunResponse]
    began: datetime

    def lost_steps(self) -> list[str]:
        """The cached steps of which something is needed and gone, each before what it would read and is gone, too.

        Needed is what the steps read that always run. Asked is for what the cache would answer with; nothing of it is
        fetched.
        """
        lost: list[str] = []
        for name in self.steps:
            if name not in CACHED:
                self._look_before(name, lost)
        return lost

    def repeated(self, evaluate_code: str) -> Identified:
        """What a run puts out that repeats it, `evaluate` by this code.

        Where `evaluate` is to run anew for that, or for its reference, a version before it that is gone is left out:
        the model is champion, whatever it was judged against.
        """
        then = self.identified._replace(evaluate_code=evaluate_code)
        judged_against, runs_anew = then.incumbent.artifact, REFERENCE not in self.steps["evaluate"].outputs
        if (runs_anew or then != self.identified) and judged_against is not None and is_lost(judged_against):
            return then._replace(incumbent=Incumbent())
        return then

    def make_again(self, steps: Sequence[str]) -> None:
        """Has the cache forget what it holds of these steps, so that they run anew of the same inputs.

        Raises:
            EvergreenError: what they read of the version before it cannot be had.
        """
        if gone := [name for name, artifact in self._read_of_before(steps).items() if not is_stored(artifact)]:
            raise EvergreenError(
                f"results of {', '.join(steps)} of run {self.name} are gone, and cannot be made again, for "
                f"{' and '.join(gone)} of the version before it {'is' if len(gone) == 1 else 'are'} gone, too; set "
                "refresh.on_lost: train to train on what is new, or refresh: {data: all} for one run, which reads "
                "every row"
            )
        client, past = Client(), datetime.now(UTC).replace(tzinfo=None) - CLOCKS
        for key in filter(None, (self.steps[name].cache_key for name in steps)):
            answers = client.list_run_steps(
                cache_key=key, cache_expired=False, status=ExecutionStatus.COMPLETED, size=MOST_ANSWERS
            )
            for answer in answers.items:
                client.update_step_run(answer.id, cache_expires_at=past)

    def _read_of_before(self, steps: Sequence[str]) -> dict[str, str]:
        """The artifacts of the version before that these steps read, by what they are."""
        then = self.identified
        read = {
            "fetch": ("the coverage", then.part.covered),
            "split": ("the held-out rows", then.part.held_out),
            "train": ("the model", then.start.champion.artifact),
        }
        return {name: artifact for step, (name, artifact) in read.items() if step in steps and artifact}

    def _look_before(self, name: str, lost: list[str]) -> None:
        for inputs in self.steps[name].spec.normalized_inputs.values():
            for given in inputs:
                made_by = given.step_name
                if made_by not in CACHED or made_by in lost or _is_answered(self.steps[made_by], given.output_name):
                    continue
                lost.append(made_by)
                self._look_before(made_by, lost)


def recorded_run(champion: ModelVersion) -> RecordedRun | None:
    """The run that the champion comes of; None where it, or what it identified, is gone, or is of an earlier form."""
    try:
        run = Client().get_pipeline_run(champion.run, allow_name_prefix_match=False)
        steps = run.steps
        outputs, kinds = steps["identify"].outputs, get_type_hints(Identified)
        values = (read_artifact(outputs[name][0], kinds[name]) for name in Identified._fields)
        return RecordedRun(run.name, Identified(*values), steps, run.created.replace(tzinfo=UTC))
    except (KeyError, IndexError, EvergreenError):
        return None


def _is_answered(step: StepRunResponse, output: str) -> bool:
    """Whether the cache has an output of the step, and the artifact store its data."""
    answer = get_cached_step_run(step.cache_key) if step.cache_key else None
    artifacts = answer.outputs.get(output, []) if answer else []
    return bool(artifacts) and not any(is_lost(str(artifact.id)) for artifact in artifacts)

"""How a model was kept fresh last: what its requests said, the training after that, and whether it helped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

from zenml.client import Client

from evergreen.core.approval import Question, Standing
from evergreen.core.base import Frozen
from evergreen.core.decision import PromotionDecision
from evergreen.core.deployment import Deployment
from evergreen.core.verdict import Verdict
from evergreen.runtime.asides import beside_the_point
from orchestration.artifacts import read_artifact
from orchestration.runs import DELIVERY, model_tag
from orchestration.trainings import OUTCOMES, LastTraining, last_training
from orchestration.verdicts import newest_verdicts

LAST = 5
"""So many windows are shown."""
BEGINS_WITHIN = timedelta(minutes=10)
"""After an approval its delivery is compiled, and submitted where steps run elsewhere."""
ASKED = {"waiting": "trained a version", "registered": "registered a version"}
"""How the outcome of a training begins that left a question."""
ANSWERS = {
    Standing.APPROVED: "a person approved",
    Standing.REJECTED: "a person rejected",
    Standing.EXPIRED: "nobody approved in time",
}
Kept = TypeVar("Kept", bound=Frozen)


class VerdictLine(Frozen):
    """What a verdict says in short, of which version, until when; `below` are metrics certainly below their floors."""

    version: str
    end: datetime
    says: Literal["quiet", "drifted", "too few rows"]
    below: tuple[str, ...] = ()

    @classmethod
    def of(cls, verdict: Verdict) -> VerdictLine:
        """The same of a whole verdict."""
        says: Literal["quiet", "drifted"] = "drifted" if verdict.drifted else "quiet"
        return cls(
            version=verdict.version,
            end=verdict.window.end,
            says=says if verdict.enough else "too few rows",
            below=verdict.below,
        )


class Chain(Frozen):
    """Drift → run → decision → rollout → recovery; null where it did not come so far.

    `windows` are the newest ones, oldest first. `decision` is the gate's verdict on the last training's version,
    `rollout` what became of it on the endpoint, or of the person's answer that it waited for, `recovery` the newest
    window of its requests since, where it is champion.
    """

    windows: tuple[VerdictLine, ...] = ()
    training: LastTraining | None = None
    decision: str | None = None
    rollout: str | None = None
    recovery: VerdictLine | None = None


def chain_of(model: str, champion: str | None, questions: Mapping[str, Question] | None = None) -> Chain:
    """The chain of a model whose champion is that version, and of which persons were asked that, by version."""
    windows = tuple(reversed([VerdictLine.of(verdict) for verdict in newest_verdicts(model, LAST)]))
    training = last_training(model)
    if training is None:
        return Chain(windows=windows)
    decision = _output(training.run, "promote", "decision", PromotionDecision)
    deployment = _output(training.run, "deploy", "deployment", Deployment)
    is_champion = decision is not None and decision.version == champion
    return Chain(
        windows=windows,
        training=answered_since(training, (questions or {}).get(decision.version) if decision else None),
        decision=f"{decision.verdict} {decision.version}" if decision else None,
        rollout=_rollout(model, deployment, decision, champion, questions or {}),
        recovery=recovery(windows, champion, training.began) if is_champion and champion else None,
    )


def answered_since(training: LastTraining, question: Question | None) -> LastTraining:
    """The training; of one that asked a person, with what was answered since, or that nobody did."""
    said = ANSWERS.get(question.standing(datetime.now(UTC))) if question else None
    asked = next((words for name, words in ASKED.items() if training.outcome == OUTCOMES[name]), None)
    return training.model_copy(update={"outcome": f"{asked}, which {said}"}) if said and asked else training


def _rollout(
    model: str,
    deployment: Deployment | None,
    decision: PromotionDecision | None,
    champion: str | None,
    questions: Mapping[str, Question],
) -> str | None:
    """What the run left, unless it left a question that was answered or has expired since."""
    if deployment is None or decision is None or deployment.outcome not in {"waiting", "registered"}:
        return deployment.message if deployment else None
    version, now = decision.version, datetime.now(UTC)
    question = questions.get(version)
    if question is None or question.standing(now) is Standing.WAITING:
        return deployment.message
    told = f"version {version} {question.words(now)}"
    if question.answer is None or not question.answer.approved:
        return f"{told}; the endpoint stays as it was"
    return f"{told}; {_delivered(model, version, champion, question.answer.at)}"


def _delivered(model: str, version: str, champion: str | None, approved: datetime) -> str:
    """What came of an approval."""
    if version == champion:
        return "it is the champion"
    again = "approve it once more, which delivers it again"
    runs = Client().list_pipeline_runs(
        tags=model_tag(model), pipeline_name=DELIVERY, sort_by="desc:created", size=1, hydrate=True
    )
    run = next((run for run in runs.items if run.created.replace(tzinfo=UTC) >= approved), None)
    if run is None:
        lacks = "no run of its delivery is there"
        return lacks if datetime.now(UTC) - approved < BEGINS_WITHIN else f"{lacks}; {again}"
    if not run.status.is_finished:
        return f"{run.name} delivers it"
    deployment = _output(run.name, "deploy", "deployment", Deployment)
    if deployment is None:
        return f"{run.name} did not deliver it ({run.status}); {again}"
    return "it went live, and is not the champion any more" if deployment.outcome == "live" else deployment.message


def recovery(windows: Sequence[VerdictLine], champion: str, since: datetime) -> VerdictLine | None:
    """The newest window of the champion's requests after its training; None: none says anything yet."""
    after = [one for one in windows if one.version == champion and one.end > since and one.says != "too few rows"]
    return max(after, key=lambda one: one.end, default=None)


def _output(run: str, step: str, name: str, expected: type[Kept]) -> Kept | None:
    steps = Client().get_pipeline_run(run, allow_name_prefix_match=False).steps
    outputs = steps[step].outputs.get(name) if step in steps else None
    if not outputs:
        return None
    with beside_the_point(f"output '{name}' of run {run}"):
        return read_artifact(outputs[0], expected)
    return None

"""When a training logs, evaluates and saves, and what the run is told of it. Loads transformers, as trainer.py does."""

from __future__ import annotations

import math
import time
from typing import Any

import transformers
from typing_extensions import override

from evergreen.core.errors import EvergreenError
from evergreen.core.protocols import TrainingRun
from evergreen.tasks.job import steps_at_shares

MIN_CHECKPOINTS = 10
MAX_STEPS_BETWEEN_CHECKPOINTS = 500
LOGS_PER_CHECKPOINT = 4
TRAIN_VALUES = ("loss", "learning_rate", "grad_norm")
_NOT_METRICS = ("runtime", "samples_per_second", "steps_per_second", "model_preparation_time")


class Cadence(transformers.TrainerCallback):
    """Says when to log, evaluate and save: at shares of the training, the same after a resumption."""

    def __init__(self, evaluations: int) -> None:
        self._evaluations = evaluations
        self._evaluate: set[int] = set()
        self._save: set[int] = set()
        self._log: set[int] = set()

    @override
    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Lays the steps out."""
        saves = max(MIN_CHECKPOINTS, math.ceil(state.max_steps / MAX_STEPS_BETWEEN_CHECKPOINTS))
        self._evaluate = steps_at_shares(state.max_steps, self._evaluations)
        self._save = steps_at_shares(state.max_steps, saves) | self._evaluate
        self._log = steps_at_shares(state.max_steps, saves * LOGS_PER_CHECKPOINT) | self._save

    @override
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Sets what happens after this step. Saving logs too, so that no mean of losses spans a resumption."""
        step = state.global_step
        control.should_evaluate = step in self._evaluate
        control.should_save = step in self._save
        control.should_log = step in self._log


class Reporter(transformers.TrainerCallback):
    """Hands the curves, the progress and the checkpoints to the run."""

    def __init__(self, run: TrainingRun, rows: int, batch_size: int) -> None:
        self._run = run
        self._rows = rows
        self._batch_size = batch_size
        self._started = (0.0, 0)

    @override
    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Starts the clock at the first step of this process."""
        self._started = (time.monotonic(), state.global_step)

    @override
    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Records a point of the training curve; stops a training that diverged."""
        logs: dict[str, float] = kwargs["logs"]
        if "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise EvergreenError(
                f"training diverged: the loss is {logs['loss']} at step {state.global_step}; "
                f"lower learning_rate (is {args.learning_rate:g}) or raise warmup_fraction (is {args.warmup_steps:g})"
            )
        self._run.log_metrics({f"train/{name}": logs[name] for name in TRAIN_VALUES}, state.global_step)
        begun, first_step = self._started
        left = (time.monotonic() - begun) / (state.global_step - first_step) * (state.max_steps - state.global_step)
        whole, part = divmod(state.global_step, math.ceil(self._rows / self._batch_size))
        rows = whole * self._rows + part * self._batch_size
        self._run.report_progress(rows, self._rows * args.num_train_epochs, logs["loss"], left)

    @override
    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Makes the checkpoint durable."""
        self._run.checkpoint_saved()

    @override
    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Records a point of the validation curves."""
        point = {f"validation/{name}": value for name, value in validation_values(kwargs["metrics"]).items()}
        self._run.log_metrics(point, state.global_step)


def validation_values(logs: dict[str, float]) -> dict[str, float]:
    """Loss and metrics of an evaluation, without its wall-clock times."""
    values = {name.removeprefix("eval_"): value for name, value in logs.items() if name.startswith("eval_")}
    return {name: value for name, value in values.items() if name not in _NOT_METRICS}

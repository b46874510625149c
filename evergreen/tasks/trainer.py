"""A fit on transformers.Trainer that survives a SIGKILL. Loads torch and transformers: import it inside functions only.

fit(job, settings, run) -> Curves(train=({"step": 8, "loss": 0.71, …}, …), validation=({"step": 32, "loss": …}, …))
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from torch.utils.data import Sampler
from typing_extensions import override

from evergreen.core.protocols import TrainingRun
from evergreen.core.training import Curves
from evergreen.tasks.averaging import changing_weights, mix
from evergreen.tasks.callbacks import TRAIN_VALUES, Cadence, Reporter, validation_values
from evergreen.tasks.checkpoints import (
    STATE_NAME,
    WEIGHTS_NAME,
    newest_whole_checkpoint,
    patience_ended,
    remove_torn_checkpoints,
)
from evergreen.tasks.job import TrainingJob
from evergreen.tasks.libraries import quiet_transformers
from evergreen.tasks.machine import computes_in_bf16, loaders_that_fit
from evergreen.tasks.settings import TrainingSettings

_NEVER = 10**9
_log = logging.getLogger(__name__)


def fit(job: TrainingJob, settings: TrainingSettings, run: TrainingRun) -> Curves:
    """The learning curves of a training that leaves the best weights in `job.model`, or their mean with the champion's.

    It goes on from the newest whole checkpoint in `run.checkpoint_dir`. The same job, settings and seed on the same
    machine give the same weights, interrupted or not.

    Raises:
        EvergreenError: the loss became infinite or NaN.
    """
    begun = changing_weights(job.model) if job.champion_share else {}
    with quiet_transformers():
        trainer = CheckpointedTrainer(job, settings, run)
        curves = trainer.fit()
        if begun and trainer.average_with(begun, job.champion_share):
            curves = curves.model_copy(update={"champion_share": job.champion_share})
    run.show_curves(curves)
    return curves


class EpochOrder(Sampler[int]):
    """Row numbers in the order of the job; the trainer tells it the epoch."""

    def __init__(self, job: TrainingJob) -> None:
        self._job = job
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Makes the next iteration that of `epoch`."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return map(int, self._job.order(self._epoch))

    def __len__(self) -> int:
        return len(self._job.train)


class CheckpointedTrainer(transformers.Trainer):
    """Fits a job, going on from the newest whole checkpoint of the run, and ends with the best weights."""

    def __init__(self, job: TrainingJob, settings: TrainingSettings, run: TrainingRun) -> None:
        self._job = job
        self._head_factor = settings.head_learning_rate_factor
        self._checkpoint_dir = run.checkpoint_dir
        super().__init__(
            model=job.model,
            args=_arguments(settings, run, _loaders(job, settings.batch_size)),
            data_collator=job.collate,
            train_dataset=job.train,
            eval_dataset=job.validation,
            compute_loss_func=partial(_loss, job),
            compute_metrics=lambda scored: job.metrics(np.asarray(scored.predictions), np.asarray(scored.label_ids)),
            callbacks=[
                Cadence(settings.epochs * settings.evaluations_per_epoch),
                transformers.EarlyStoppingCallback(settings.early_stopping_patience),
                Reporter(run, len(job.train), settings.batch_size),
            ],
        )
        self.remove_callback(transformers.PrinterCallback)

    def fit(self) -> Curves:
        """The curves over the whole training, with what an earlier process logged."""
        remove_torn_checkpoints(self._checkpoint_dir)
        checkpoint = newest_whole_checkpoint(self._checkpoint_dir)
        if checkpoint is not None and patience_ended(checkpoint):  # `train` would take a step before it looks
            self.state = transformers.TrainerState.load_from_json(str(checkpoint / STATE_NAME))
            self._load_best_model()
        else:
            self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        history = self.state.log_history
        return Curves(
            train=tuple(
                {"step": entry["step"], **{n: entry[n] for n in TRAIN_VALUES}} for entry in history if "loss" in entry
            ),
            validation=tuple(
                {"step": entry["step"], **validation_values(entry)} for entry in history if "eval_loss" in entry
            ),
            best_step=self.state.best_global_step,
        )

    def average_with(self, begun: Mapping[str, torch.Tensor], share: float) -> bool:
        """Gives the model `share` of the weights that training began with, unless its loss on the validation rows is
        higher for it; whether it keeps them.
        """
        best, model = changing_weights(self._job.model), self._job.model
        mix(model, begun, share)
        alone, mean = self.state.best_metric, self._validation_loss()
        _log.info("validation loss: %s of what was trained, %s with %g of the champion's weights", alone, mean, share)
        keeps = alone is not None and mean <= alone
        if not keeps:
            mix(model, best, 1.0)
        return keeps

    def _validation_loss(self) -> float:
        metrics = self.predict(self._job.validation, metric_key_prefix="validation").metrics or {}
        return float(metrics["validation_loss"])

    @override
    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW in which fresh weights learn faster than pretrained ones."""
        known = self.optimizer is not None
        optimizer = super().create_optimizer(model)
        if not known:
            fresh = {id(weight) for name, weight in self._job.model.named_parameters() if name in self._job.fresh}
            optimizer.param_groups[:] = list(_split_groups(optimizer.param_groups, fresh, self._head_factor))
        return optimizer

    @override
    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Writes a checkpoint's weights: those that training changes, the others being the pretrained ones."""
        folder = Path(output_dir or self._checkpoint_dir)
        folder.mkdir(parents=True, exist_ok=True)
        model = self._job.model
        frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
        changing = chain(model.named_parameters(), model.named_buffers())
        weights = {name: tensor.detach().contiguous() for name, tensor in changing if name not in frozen}
        save_file(weights, folder / WEIGHTS_NAME)

    @override
    def _prepare_inputs(self, inputs: Any) -> dict[str, torch.Tensor]:
        moved: dict[str, torch.Tensor] = super()._prepare_inputs(inputs)
        return moved if self._job.on_device is None else self._job.on_device(moved)

    @override
    def prediction_step(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Loss, predictions and labels of a validation batch, as far as the job's metrics need them."""
        loss, predictions, labels = super().prediction_step(*args, **kwargs)
        if self._job.condense is None or predictions is None or labels is None:
            return loss, predictions, labels
        return loss, *self._job.condense(predictions, labels)

    @override
    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return EpochOrder(self._job)


def _split_groups(groups: list[dict[str, Any]], fresh: set[int], factor: float) -> Iterator[dict[str, Any]]:
    """Each group without its fresh weights, then those, at `factor` times the learning rate."""
    for group in groups:
        for is_fresh, rate in ((False, group["lr"]), (True, group["lr"] * factor)):
            if chosen := [weight for weight in group["params"] if (id(weight) in fresh) is is_fresh]:
                yield {**group, "params": chosen, "lr": rate}


def _loss(job: TrainingJob, outputs: Any, labels: torch.Tensor, **_: Any) -> torch.Tensor:
    return job.loss(outputs, labels)


def _loaders(job: TrainingJob, batch_size: int) -> int:
    """Processes that make samples: none where the cores are busy with the training itself."""
    if not (job.loads_beside and torch.cuda.is_available()):
        return 0
    rows = batch_size * max(1, torch.cuda.device_count())  # one batch is shared out among the GPUs
    batch = job.collate([job.train[0]] * rows)
    return loaders_that_fit(sum(tensor.nbytes for tensor in batch.values()))


def _arguments(settings: TrainingSettings, run: TrainingRun, loaders: int) -> transformers.TrainingArguments:
    on_gpu = torch.cuda.is_available()
    return transformers.TrainingArguments(
        output_dir=str(run.checkpoint_dir),
        seed=run.seed,
        use_cpu=not on_gpu,
        full_determinism=on_gpu,  # a CPU is deterministic by itself, and would pay for it by filling memory
        bf16=computes_in_bf16(settings.precision, run.checkpoint_dir),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup_fraction,
        lr_scheduler_type=settings.schedule,
        max_grad_norm=settings.max_gradient_norm,
        eval_strategy="steps",  # `Cadence` says when; the strategies only switch these parts of the Trainer on
        eval_steps=_NEVER,
        save_strategy="steps",
        save_steps=_NEVER,
        save_total_limit=1,
        logging_steps=_NEVER,
        load_best_model_at_end=True,
        restore_callback_states_from_checkpoint=True,  # the patience that early stopping has left
        metric_for_best_model="loss",
        greater_is_better=False,
        average_tokens_across_devices=False,  # the job's loss is a mean over rows already
        logging_nan_inf_filter=False,  # would hide a diverging loss, and reads the loss back at every step
        dataloader_pin_memory=on_gpu,
        dataloader_num_workers=loaders,
        dataloader_persistent_workers=loaders > 0,
        remove_unused_columns=False,
        label_names=["labels"],
        disable_tqdm=True,
        report_to="none",
    )

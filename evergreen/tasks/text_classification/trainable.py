"""Fine-tunes an encoder under a classification head."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.core.protocols import TrainingRun
from evergreen.tasks.job import TrainingJob, check_warm_start, sampled_rows, share_of_champion
from evergreen.tasks.libraries import quiet_transformers
from evergreen.tasks.model_directory import complete_model
from evergreen.tasks.text_classification.encoder import Encoder, is_head_weight
from evergreen.tasks.text_classification.settings import SERVED_RULE, TextClassification, TextRules
from evergreen.tasks.text_classification.token_tables import Tokeniser, TokenTable, collate, order_by_length
from evergreen.tasks.text_classification.tokens import Tokens

if TYPE_CHECKING:
    import torch


class TextTraining:
    """Trains classifiers of texts from an encoder; `encoder_weights` says where that is."""

    def __init__(self, task: TextClassification) -> None:
        self._task = task
        self.encoder_weights = Encoder(reference=task.encoder, revision=task.revision, token_env=task.token_env)

    def check(self) -> str:
        """Where the encoder is, once it was proven without its weights that it takes texts of `max_length_tokens`.

        Raises:
            InputError: it cannot be used; the message says what is allowed.
        """
        self.encoder_weights.prove(self._task.labels, self._task.max_length_tokens)
        return self.encoder_weights.where()

    def pretrained(self) -> str:
        """Fingerprint of the encoder that a training starts from.

        Raises:
            InputError: it cannot be had.
        """
        return self.encoder_weights.fingerprint()

    def training_configuration(self) -> dict[str, object]:
        """The fields that decide the trained model: those of `for_training` without what only unlocks the encoder.

        A local encoder is told by its content, so that equal models of two machines are equal versions.

        Raises:
            InputError: there is no such local encoder.
        """
        guards = set(TextRules.model_fields) - {SERVED_RULE}
        fields = self._task.model_dump(mode="json", exclude={"slices": True, "token_env": True, "rules": guards})
        return fields | {"encoder": self.encoder_weights.portable_reference()}

    def train(self, splits: Splits, run: TrainingRun, start: TrainedModel | None = None) -> TrainedModel:
        """The model with the lowest validation loss, in `run.out_dir`; trained from `start`, or else from the encoder.
        Of an incremental run it keeps `champion_share` of `start`, unless the world moved.

        Raises:
            InputError: the encoder cannot be had, rows do not fit the task, or `start` is of other labels or encoder.
            EvergreenError: the loss became infinite or NaN.
        """
        import transformers

        from evergreen.tasks.trainer import fit

        task = self._task
        configuration = self.training_configuration()  # of the encoder as it is now, not as it may be in an hour
        tokens = Tokens(self.encoder_weights.load_tokenizer(), task.max_length_tokens)
        with tempfile.TemporaryDirectory(prefix="tokens-") as folder:
            tokeniser = Tokeniser(tokens, task.labels, Path(folder))
            train = tokeniser.table(splits, SplitName.TRAIN, sampled_rows(splits, task.max_train_rows, run.seed))
            validation = tokeniser.table(splits, SplitName.VALIDATION)
            transformers.set_seed(run.seed)
            model = self._load_model(start, configuration, tokens)
            job = _job(task, model, tokens, (train, validation), run.seed)
            head = (name for name, _ in model.named_parameters() if is_head_weight(model, name))
            kept = share_of_champion(task.champion_share, splits, run, start)
            fresh = frozenset[str]() if start else frozenset(head)
            curves = fit(replace(job, fresh=fresh, champion_share=kept), task, run)
            _save(model, tokens, run.out_dir)
        return complete_model(run.out_dir, configuration, splits, run.seed, curves)

    def _load_model(self, start: TrainedModel | None, configuration: dict[str, object], tokens: Tokens) -> Any:
        """The model with the task's dropout, its embeddings frozen where the task says so."""
        import torch

        weights = self.encoder_weights
        if start is not None:
            check_warm_start(start, configuration, self._task.warm_start_fields)
            weights = Encoder(reference=str(start.path))
        model = weights.load_classifier(self._task.labels, tokens)
        if self._task.dropout is not None:
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = self._task.dropout
        if not self._task.train_embeddings:
            for table in _word_embeddings(model):
                table.requires_grad_(requires_grad=False)
        return model


def _word_embeddings(model: Any) -> list[Any]:
    """The tables that tokens are looked up in; encoders of characters have several, and do not name them."""
    import torch

    try:
        return [model.get_input_embeddings()]
    except NotImplementedError:
        return [
            module
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Embedding) and "position" not in name and "token_type" not in name
        ]


def _job(
    task: TextClassification, model: Any, tokens: Tokens, tables: tuple[TokenTable, TokenTable], seed: int
) -> TrainingJob:
    import torch

    train, validation = tables
    weight = _class_weights(train.labels, len(task.labels)) if task.class_weights == "balanced" else None

    def loss(outputs: Any, labels: torch.Tensor) -> torch.Tensor:
        on_device = None if weight is None else weight.to(labels.device)
        return torch.nn.functional.cross_entropy(outputs["logits"].float(), labels, on_device)

    return TrainingJob(
        model=model,
        train=train.rows,
        validation=validation.rows.select(np.argsort(-validation.lengths, kind="stable")),  # less padding
        collate=partial(collate, tokens),
        loss=loss,
        metrics=_metrics,
        order=lambda epoch: order_by_length(train.lengths, task.batch_size, seed, epoch),
    )


def _class_weights(labels: npt.NDArray[np.int64], classes: int) -> torch.Tensor:
    """Rows over classes over rows of the class, so that every class weighs the same: (classes,) float32."""
    import torch

    rows = np.maximum(np.bincount(labels, minlength=classes), 1)
    return torch.tensor(len(labels) / classes / rows, dtype=torch.float32)


def _metrics(logits: npt.NDArray[Any], labels: npt.NDArray[Any]) -> dict[str, float]:
    from evergreen.evaluation.metrics.classes import Accuracy, MacroF1

    given = {"predictions": logits.argmax(axis=1), "references": labels, "labels": range(logits.shape[1])}
    return {**Accuracy().compute(**given), **MacroF1().compute(**given)}


def _save(model: Any, tokens: Tokens, out_dir: Path) -> None:
    """Weights, configuration and tokenizer, without a word about where the encoder was found."""
    model.config.name_or_path = tokens.tokenizer.name_or_path = ""
    tokens.tokenizer.init_kwargs.pop("name_or_path", None)
    with quiet_transformers():
        model.save_pretrained(out_dir)
        tokens.tokenizer.save_pretrained(out_dir)

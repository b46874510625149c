"""How a model is made: a ridge regression of hashed counts (Hoerl and Kennard, *Technometrics* 12, 1970)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.core.protocols import TrainingRun
from evergreen.core.training import Curves
from evergreen.data.shards import split_batches
from evergreen.tasks.model_directory import complete_model
from text_regression.settings import TextRegression

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

WEIGHTS = "model.safetensors"
ROWS_AT_ONCE = 1_000
Floats = npt.NDArray[np.float64]


class RegressionTraining:
    """Fits regressions of texts."""

    def __init__(self, task: TextRegression) -> None:
        self._task = task

    def check(self) -> str:
        """It starts from nothing."""
        return "nothing: a ridge regression is solved"

    def pretrained(self) -> str:
        """No weights, always the same."""
        return "none"

    def training_configuration(self) -> dict[str, object]:
        """The fields that decide the model."""
        return self._task.for_training().model_dump(mode="json", exclude={"slices"})

    def train(self, splits: Splits, run: TrainingRun, start: TrainedModel | None = None) -> TrainedModel:  # noqa: ARG002
        """A model fitted on `train/`, with the penalty of the lowest mean absolute error on `validation/`."""
        from safetensors.numpy import save_file
        from sklearn.linear_model import Ridge

        task = self._task
        data = {name: _read(splits, name, task.features) for name in (SplitName.TRAIN, SplitName.VALIDATION)}
        inputs, truth = data[SplitName.TRAIN]
        models: list[Any] = []
        points: dict[str, list[dict[str, float]]] = {name: [] for name in data}
        for step, alpha in enumerate(task.alphas, start=1):
            model = Ridge(alpha=alpha, solver="sparse_cg").fit(inputs, np.log(truth) if task.scale == "log" else truth)
            models.append(model)
            for name, (rows, numbers) in data.items():
                answers = unscaled(model.predict(rows), task.scale)
                points[name].append({"step": step, "loss": float(abs(answers - numbers).mean())})
                run.log_metrics({f"{name}_loss": points[name][-1]["loss"]}, step)
        best = int(np.argmin([point["loss"] for point in points[SplitName.VALIDATION]]))
        weights = {"coefficients": models[best].coef_, "intercept": np.array([models[best].intercept_])}
        save_file(weights, run.out_dir / WEIGHTS)
        curves = Curves(
            train=tuple(points[SplitName.TRAIN]), validation=tuple(points[SplitName.VALIDATION]), best_step=best + 1
        )
        run.show_curves(curves)
        return complete_model(run.out_dir, self.training_configuration(), splits, run.seed, curves)


def counted(texts: list[str], features: int) -> csr_matrix:
    """(texts, features) counts of words and pairs, then of runs of characters; each half of a row has length 1."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import HashingVectorizer

    words = HashingVectorizer(ngram_range=(1, 2), n_features=features // 2)
    runs = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=features - features // 2)
    return hstack([words.transform(texts), runs.transform(texts)], format="csr")


def unscaled(answers: Floats, scale: str) -> Floats:
    """What the regression answers, in the unit of the target."""
    return np.exp(answers) if scale == "log" else answers


def _read(splits: Splits, name: str, features: int) -> tuple[csr_matrix, Floats]:
    batches = list(split_batches(splits, name, ("text", "target"), ROWS_AT_ONCE))
    texts = [text for batch in batches for text in batch["text"].to_pylist()]
    return counted(texts, features), np.concatenate([batch["target"].to_numpy() for batch in batches])

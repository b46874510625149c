"""The model for `mlflow models serve`: a Python function over the same weights, saved as this file's code.

    python -m bench.baselines.mlflow_model MODEL_DIR TARGET
    mlflow models serve --model-uri TARGET --env-manager local --workers 1 --port PORT

POST /invocations {"dataframe_records": [{"text": "…"}]}: texts are tokenized and padded to the longest of a request.
"""

from __future__ import annotations

import sys
from typing import Any

import mlflow
from mlflow.pyfunc import PythonModel  # type: ignore[attr-defined]

MAX_LENGTH = 128


class TextModel(PythonModel):
    """Loads the model from the artifact `model`."""

    def load_context(self, context: Any) -> None:
        """Loads the model."""
        import transformers

        untyped: Any = transformers
        folder = context.artifacts["model"]
        self.tokenizer = untyped.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        self.model = untyped.AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=False).eval()

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002 - MLflow's signature
        """Labels and scores."""
        import torch

        texts = list(model_input["text"])
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
        with torch.no_grad():
            best = self.model(**tokens).logits.softmax(dim=-1).max(dim=-1)
        labels = [self.model.config.id2label[int(index)] for index in best.indices]
        return [{"label": label, "score": float(score)} for label, score in zip(labels, best.values, strict=True)]


def main(model_dir: str, target: str) -> int:
    """Saves it."""
    mlflow.pyfunc.save_model(target, python_model=__file__, artifacts={"model": model_dir}, pip_requirements=[])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
mlflow.models.set_model(TextModel())

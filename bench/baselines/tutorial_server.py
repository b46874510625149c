"""The prediction server of the usual tutorial: Flask, a request at a time, every text padded to 128 tokens.

    python -m bench.baselines.tutorial_server MODEL_DIR PORT

POST /predict {"instances": [{"text": "…"}]} → {"predictions": [{"label": …, "score": …}]}
"""

from __future__ import annotations

import sys
from typing import Any

MAX_LENGTH = 128


def main(model_dir: str, port: str) -> int:
    """Serves until it is killed."""
    import torch
    import transformers
    from flask import Flask, jsonify, request

    untyped: Any = transformers
    tokenizer = untyped.AutoTokenizer.from_pretrained(model_dir, trust_remote_code=False)
    model = untyped.AutoModelForSequenceClassification.from_pretrained(model_dir, trust_remote_code=False).eval()
    app = Flask(__name__)

    @app.post("/predict")
    def predict() -> Any:
        texts = [instance["text"] for instance in request.get_json()["instances"]]
        inputs = tokenizer(texts, padding="max_length", truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
        with torch.no_grad():
            probabilities = model(**inputs).logits.softmax(dim=-1)
        best = probabilities.max(dim=-1)
        labels = [model.config.id2label[int(index)] for index in best.indices]
        scores = [float(score) for score in best.values]
        return jsonify(
            predictions=[{"label": label, "score": score} for label, score in zip(labels, scores, strict=True)]
        )

    app.run(host="127.0.0.1", port=int(port))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""LitServe with its batching, as its documentation shows it: up to 16 requests that come within 10 ms.

    PEERS/bin/python bench/baselines/litserve_server.py MODEL_DIR PORT

A file that imports nothing of ours: it runs in the environment of the peers. LitServe reads the types of its verbs,
which must therefore be no strings.
"""

import sys
from typing import Any

import litserve
import torch
import transformers

BATCH, TIMEOUT_S, MAX_LENGTH = 16, 0.01, 128


class TextApi(litserve.LitAPI):  # type: ignore[misc]
    """Four verbs."""

    model_dir = sys.argv[1]

    def setup(self, device: str) -> None:
        """Loads the model."""
        untyped: Any = transformers
        self.tokenizer = untyped.AutoTokenizer.from_pretrained(self.model_dir, trust_remote_code=False)
        self.model = (
            untyped.AutoModelForSequenceClassification.from_pretrained(self.model_dir, trust_remote_code=False)
            .eval()
            .to(device)
        )

    def decode_request(self, request: dict[str, Any]) -> str:
        """The text."""
        return str(request["instances"][0]["text"])

    def batch(self, inputs: list[str]) -> list[str]:
        """The texts."""
        return inputs

    def predict(self, inputs: list[str]) -> list[dict[str, Any]]:
        """Labels and scores; padded to the longest of the batch."""
        tokens = self.tokenizer(inputs, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
        with torch.no_grad():
            best = self.model(**tokens).logits.softmax(dim=-1).max(dim=-1)
        labels = [self.model.config.id2label[int(index)] for index in best.indices]
        return [{"label": label, "score": float(score)} for label, score in zip(labels, best.values, strict=True)]

    def unbatch(self, outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The predictions."""
        return outputs

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """The answer."""
        return {"predictions": [output]}


if __name__ == "__main__":
    api = TextApi(max_batch_size=BATCH, batch_timeout=TIMEOUT_S)
    litserve.LitServer(api, accelerator="cpu").run(
        host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="warning"
    )

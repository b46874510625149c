"""The usual loop over a table of texts: float32, eager attention, batches as rows come, every text padded to the cap.

As in "Text classification" of the Hugging Face documentation and its countless copies.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any


def predict(model_dir: Path, source: Path, output: Path, max_length: int = 128, batch_size: int = 32) -> None:
    """Writes the table `source` with a label a row to `output`."""
    import torch
    import transformers

    auto: Any = transformers
    tokenizer = auto.AutoTokenizer.from_pretrained(model_dir, trust_remote_code=False)
    model = auto.AutoModelForSequenceClassification.from_pretrained(
        model_dir, attn_implementation="eager", dtype=torch.float32, trust_remote_code=False
    ).eval()
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels: list[int] = []
    with torch.no_grad():
        for start in range(0, len(rows), batch_size):
            texts = [row["text"] for row in rows[start : start + batch_size]]
            inputs = tokenizer(texts, padding="max_length", truncation=True, max_length=max_length, return_tensors="pt")
            labels += model(**inputs).logits.argmax(dim=-1).tolist()
    with output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "label"])
        writer.writeheader()
        writer.writerows({**row, "label": label} for row, label in zip(rows, labels, strict=True))

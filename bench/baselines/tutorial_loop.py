"""The usual fine-tuning loop: float32, eager attention, random batches, every text padded to the cap, AdamW.

As in "Fine-tune a pretrained model" of the Hugging Face documentation and its countless copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.utils.data import DataLoader, TensorDataset

from evergreen.tasks.text_classification.settings import TextClassification


def train(
    task: TextClassification, encoder: Path, rows: Sequence[tuple[str, str]], seed: int, *, like_task: bool = False
) -> tuple[Any, Any]:
    """The fine-tuned model and its tokenizer, with the task's labels, cap, epochs, batch size and learning rate.

    `like_task` takes the task's dropout and its frozen embeddings, too, so that what is left is how it trains.
    """
    transformers.set_seed(seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(encoder, trust_remote_code=False)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        encoder,
        num_labels=len(task.labels),
        attn_implementation="eager",
        dtype=torch.float32,
        trust_remote_code=False,
    )
    if like_task:
        _follow(task, model)
    encoded = tokenizer(
        [text for text, _ in rows],
        padding="max_length",
        truncation=True,
        max_length=task.max_length_tokens,
        return_tensors="pt",
    )
    labels = torch.tensor([task.labels.index(label) for _, label in rows])
    dataset = TensorDataset(encoded["input_ids"], encoded["attention_mask"], labels)
    loader = DataLoader(dataset, batch_size=task.batch_size, shuffle=True)
    optimizer = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad], lr=task.learning_rate
    )
    steps = len(loader) * task.epochs
    schedule = transformers.get_scheduler("linear", optimizer, num_warmup_steps=0, num_training_steps=steps)
    model.train()
    for _ in range(task.epochs):
        for input_ids, attention_mask, targets in loader:
            model(input_ids=input_ids, attention_mask=attention_mask, labels=targets).loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    return model.eval(), tokenizer


def _follow(task: TextClassification, model: Any) -> None:
    """Gives the model the task's dropout, and freezes its embeddings where the task does."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout) and task.dropout is not None:
            module.p = task.dropout
    model.get_input_embeddings().requires_grad_(task.train_embeddings)

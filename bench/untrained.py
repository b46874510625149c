"""Text classifiers that nobody has trained, as trained-model directories: what a speed needs of a model is its size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evergreen.core.artifacts import Splits, SplitsManifest, TrainedModel
from evergreen.core.training import Curves
from evergreen.tasks.libraries import quiet_transformers
from evergreen.tasks.model_directory import complete_model
from evergreen.tasks.text_classification.settings import TextClassification

LABELS = ("World", "Sports", "Business", "Sci/Tech")


def untrained(folder: Path, encoder: Path, max_length_tokens: int = 128) -> TrainedModel:
    """The model of an encoder's files, its head random, in `folder`."""
    import torch
    import transformers

    torch.manual_seed(0)
    with quiet_transformers():
        model: Any = transformers.AutoModelForSequenceClassification.from_pretrained(
            encoder, num_labels=len(LABELS), local_files_only=True, trust_remote_code=False
        )
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
            encoder, local_files_only=True, trust_remote_code=False
        )
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    task = TextClassification(encoder="none", labels=LABELS, max_length_tokens=max_length_tokens)
    rows: dict[str, int] = {}
    splits = Splits(folder, SplitsManifest(files=(), dataset="none", seed=0, rows=rows, labels={}, removed={}))
    return complete_model(folder, task.model_dump(mode="json"), splits, 0, Curves(train=(), validation=(), best_step=0))


def small_encoder(folder: Path, words: list[str]) -> Path:
    """An encoder of two layers, 64 wide, that knows these words."""
    import transformers

    folder.mkdir(parents=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    tokenizer: Any = transformers.BertTokenizer
    tokenizer(vocab={word: number for number, word in enumerate(vocabulary)}).save_pretrained(folder)
    shape: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.BertConfig(vocab_size=len(vocabulary), intermediate_size=256, **shape)
    model: Any = transformers.BertModel
    model(config).save_pretrained(folder)
    return folder

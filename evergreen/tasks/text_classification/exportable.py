"""A text classifier as graphs: token numbers in, logits and 32 numbers of what was read out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evergreen.core.artifacts import SplitName, Splits
from evergreen.core.engines import EMBEDDING, FP32_FILE, LOGITS
from evergreen.core.errors import InputError
from evergreen.engines.export import ExportRefusedError, check, export, projection
from evergreen.engines.session import Graph
from evergreen.tasks.libraries import loading, quiet_transformers
from evergreen.tasks.text_classification.plain_tokens import PROBES, PlainTokens, check_same
from evergreen.tasks.text_classification.settings import TextClassification
from evergreen.tasks.text_classification.tokens import LEAST_LENGTH, Tokens

if TYPE_CHECKING:
    import torch

KEPT_CHARS = 1_000
TOKENS = {0: "rows", 1: "tokens"}
DYNAMIC: Mapping[str, Mapping[int, str]] = {
    "input_ids": TOKENS,
    "attention_mask": TOKENS,
    LOGITS: {0: "rows"},
    EMBEDDING: {0: "rows"},
}
_EXAMPLE = (2, 12)
_ODD_ROWS = 3
_CHARACTERS = 128


class TextExport:
    """Exports classifiers of texts."""

    def __init__(self, task: TextClassification) -> None:
        self._task = task

    def export(self, model_dir: Path, out_dir: Path) -> None:
        """Writes the float32 graph of a trained model, which answers as the model does at any length.

        Raises:
            ExportRefusedError: there is none.
            OSError: the disk is full.
        """
        longest = self._task.max_length_tokens
        module, vocabulary = _traced(model_dir)
        path = out_dir / FP32_FILE
        rows, length = _EXAMPLE
        export(module, _inputs(rows, length, vocabulary), DYNAMIC, path)
        sizes = ((1, LEAST_LENGTH), (_ODD_ROWS, (LEAST_LENGTH + longest) // 2), (2, longest))
        check(Graph(path), module, [_inputs(*size, vocabulary) for size in sizes])
        _check_tokens(model_dir, longest)

    def kept_inputs(self, splits: Splits, count: int) -> list[dict[str, str]]:
        """The first `count` texts of the validation split, as a client would send them, cut to KEPT_CHARS."""
        from evergreen.data.shards import first_rows

        rows = first_rows(splits.shards(SplitName.VALIDATION), ["text"], count)
        return [{"text": row["text"].strip()[:KEPT_CHARS]} for row in rows]


def _check_tokens(model_dir: Path, max_length: int) -> None:
    """Returns when a server without transformers reads texts as the model has learnt them.

    Raises:
        ExportRefusedError: it does not.
    """
    import transformers

    try:
        with loading("tokenizer", model_dir), quiet_transformers():
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                model_dir, local_files_only=True, trust_remote_code=False
            )
        check_same(PlainTokens.of(model_dir, max_length), Tokens(tokenizer, max_length), PROBES)
    except InputError as error:
        raise ExportRefusedError(f"its tokenizer needs transformers: {error}") from error


def _traced(model_dir: Path) -> tuple[torch.nn.Module, int]:
    """The model with its second output, and how many token numbers it knows."""
    import torch
    import transformers

    with loading("text classifier", model_dir), quiet_transformers():
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            model_dir, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
    known = getattr(model.config.get_text_config(), "vocab_size", _CHARACTERS)  # CANINE reads characters, and has none
    return _module(model), known


def _module(model: Any) -> torch.nn.Module:
    import torch

    class Read(torch.nn.Module):
        """Logits, and the mean of what was read of each token, brought to fewer numbers."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            """(rows, classes) and (rows, 32)."""
            given = self.model(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
            features = given.hidden_states[-1]  # (rows, tokens, width)
            counted = attention_mask.unsqueeze(-1).to(features.dtype)
            mean = (features * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
            return given.logits, mean @ torch.from_numpy(projection(int(mean.shape[1])))

    return Read().eval()


def _inputs(rows: int, length: int, vocabulary: int) -> dict[str, torch.Tensor]:
    """Token numbers of rows of which each is shorter than the one before, padded behind the text."""
    import torch

    numbers = torch.arange(rows * length).reshape(rows, length) * 7919 % vocabulary
    lengths = torch.tensor([[max(1, length - 3 * row)] for row in range(rows)])
    return {"input_ids": numbers, "attention_mask": (torch.arange(length)[None] < lengths).long()}

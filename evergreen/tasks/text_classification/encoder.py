"""A pretrained text encoder: its tokenizer, and its weights under a fresh classification head."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from evergreen.tasks.pretrained import Pretrained, fresh_weights
from evergreen.tasks.verbosity import quiet_transformers

_TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)


class Encoder(Pretrained):
    """A reference to a pretrained text encoder and its tokenizer."""

    example: ClassVar[str] = "distilbert/distilbert-base-uncased"

    def load_tokenizer(self) -> Any:
        """The pretrained tokenizer.

        Raises:
            InputError: it cannot be had.
        """
        import transformers

        with self._translated():
            return transformers.AutoTokenizer.from_pretrained(self._location(), **self._options())

    def load_classifier(self, labels: tuple[str, ...]) -> Any:
        """The encoder under a fresh classification head, float32, weights from safetensors only.

        Raises:
            InputError: it cannot be had.
        """
        import torch
        import transformers

        with self._translated(), quiet_transformers():
            model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
                self._location(),
                id2label=dict(enumerate(labels)),
                label2id={label: number for number, label in enumerate(labels)},
                num_labels=len(labels),
                dtype=torch.float32,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # a head that was trained on other labels is replaced
                output_loading_info=True,
                **self._options(),
            )
        self._require_encoder_weights([name for name in fresh_weights(loading) if not is_head_weight(model, name)])
        return model

    @override
    def _check_folder(self, folder: Path) -> None:
        if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
            raise self._error(f"{folder} has no tokenizer ({', '.join(_TOKENIZER_FILES)})")

    @override
    def _check_hub(self) -> None:
        super()._check_hub()
        self.load_tokenizer()


def is_head_weight(model: Any, name: str) -> bool:
    """Whether a weight of a classifier is above its encoder. BERT's pooler is: it was trained for another task."""
    return not name.startswith(f"{model.base_model_prefix}.") or ".pooler." in name

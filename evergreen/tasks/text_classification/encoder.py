"""A pretrained text encoder: its tokenizer, and its weights under a fresh classification head."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from evergreen.tasks.encoder_files import CONFIG, UnusableError, check_fetched, check_no_code, read_object
from evergreen.tasks.hub_snapshot import has_weights
from evergreen.tasks.libraries import quiet_transformers
from evergreen.tasks.pretrained import Pretrained, fresh_weights
from evergreen.tasks.text_classification.proof import (
    check_architecture,
    check_batches,
    check_layers,
    check_reach,
    check_vocabulary,
    from_its_config,
)
from evergreen.tasks.text_classification.tokens import Tokens

_TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.bpe",
)
TOKENIZER_CONFIG = "tokenizer_config.json"


class Encoder(Pretrained):
    """A reference to a pretrained text encoder and its tokenizer."""

    example: ClassVar[str] = "distilbert/distilbert-base-uncased"

    def load_tokenizer(self) -> Any:
        """The pretrained tokenizer; one without a token to pad with pads with the token that ends texts.

        Raises:
            InputError: it cannot be had.
        """
        import transformers

        with self.translated(), quiet_transformers():
            folder = self.small_files()
            check_no_code(folder)
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            _check_vocabulary_files(folder, tokenizer)
            _give_padding(tokenizer)
        return tokenizer

    def load_config(self, labels: tuple[str, ...], tokenizer: Any) -> Any:
        """The encoder's configuration for these labels, padded with the tokenizer's token where it names none."""
        config = self._read_config(labels)
        if getattr(config, "pad_token_id", None) is None:
            config.pad_token_id = tokenizer.pad_token_id
        return config

    def _read_config(self, labels: tuple[str, ...]) -> Any:
        import transformers

        with self.translated(), quiet_transformers():
            folder = self.small_files()
            check_no_code(folder)
            with from_its_config():
                config = transformers.AutoConfig.from_pretrained(
                    folder,
                    local_files_only=True,
                    trust_remote_code=False,
                    id2label=dict(enumerate(labels)),
                    label2id={label: number for number, label in enumerate(labels)},
                    num_labels=len(labels),
                )
            check_layers(config)
        return config

    def load_classifier(self, labels: tuple[str, ...], tokens: Tokens) -> Any:
        """The encoder under a fresh classification head, float32, weights from safetensors only.

        Raises:
            InputError: it cannot be had, or reads fewer tokens than there may be.
        """
        config = self.load_config(labels, tokens.tokenizer)
        with self.translated():
            check_architecture(config)
            check_reach(config, tokens.max_length)
            return self._load(self.whole(), config)

    def prove(self, labels: tuple[str, ...], max_length: int) -> None:
        """Returns when the encoder can be trained on texts cut at `max_length` tokens; no weight is read.

        Raises:
            InputError: it cannot; the message says why.
            EvergreenError: the Hub does not answer.
        """
        folder = self.checked_files()
        self._read_config(labels)  # before the tokenizer, which reads it too and says less of it
        tokens = Tokens(self.load_tokenizer(), max_length)
        config = self.load_config(labels, tokens.tokenizer)
        with self.translated():
            check_architecture(config)
            check_vocabulary(config, tokens.tokenizer)
            check_batches(config, tokens)
            if has_weights(folder):
                self._load(folder, config, device_map="meta")  # names and shapes alone

    def _load(self, folder: Path, config: Any, **how: Any) -> Any:
        import torch
        import transformers

        with quiet_transformers():
            model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
                folder,
                config=deepcopy(config),
                local_files_only=True,
                trust_remote_code=False,
                dtype=torch.float32,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # a head that was trained on other labels is replaced
                output_loading_info=True,
                **how,
            )
        self._require_encoder_weights([name for name in fresh_weights(loading) if not is_head_weight(model, name)])
        return model

    @override
    def _check_folder(self, folder: Path) -> None:
        for name in (*_TOKENIZER_FILES, TOKENIZER_CONFIG):
            if (folder / name).is_file():
                check_fetched(folder / name)
        named = read_object(folder, TOKENIZER_CONFIG) | read_object(folder, CONFIG)
        if not has_tokenizer_files(folder) and not named.keys() & {"tokenizer_class", "model_type"}:
            raise UnusableError(without_tokenizer(folder))


def has_tokenizer_files(folder: Path) -> bool:
    """Whether a folder holds a vocabulary under a usual name."""
    return any((folder / name).is_file() for name in _TOKENIZER_FILES)


def without_tokenizer(folder: Path) -> str:
    """Why a folder is of no use for texts."""
    return f"{folder} has no tokenizer ({', '.join(_TOKENIZER_FILES)})"


def _check_vocabulary_files(folder: Path, tokenizer: Any) -> None:
    """Returns when the tokenizer has its vocabulary: of files that are missing transformers makes an empty one.

    Raises:
        UnusableError: it has none, and is not one of characters or bytes, which needs none.
    """
    names = {*getattr(tokenizer, "vocab_files_names", {}).values()}
    if names and not has_tokenizer_files(folder) and not any((folder / name).is_file() for name in names):
        raise UnusableError(without_tokenizer(folder))


def _give_padding(tokenizer: Any) -> None:
    """Lets a tokenizer without padding pad behind the text with the token that ends texts; the model learns with it.

    Raises:
        UnusableError: it has no such token either.
    """
    if tokenizer.pad_token_id is not None:
        return
    if tokenizer.eos_token_id is None:
        raise UnusableError("its tokenizer has no pad token, and no eos token to pad with; set pad_token there")
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"


def is_head_weight(model: Any, name: str) -> bool:
    """Whether a weight of a classifier is above its encoder. BERT's pooler is: it was trained for another task."""
    return not name.startswith(f"{model.base_model_prefix}.") or ".pooler." in name

"""Whether an encoder takes what its tokenizer gives, found out before any training and without its weights.

The architecture of its `config.json` with one layer of random weights reads the longest and the shortest batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from evergreen.core.errors import EvergreenError
from evergreen.tasks.encoder_files import CONFIG, UnusableError
from evergreen.tasks.libraries import quiet_transformers
from evergreen.tasks.text_classification.tokens import Tokens

_DEPTHS = (
    "num_hidden_layers",
    "num_layers",
    "n_layer",
    "n_layers",
    "encoder_layers",
    "decoder_layers",
    "num_decoder_layers",
)
MOST_LAYERS = 1_000
_LARGE_TABLE = 2**22
"""Weights of more numbers are left as the memory comes: random numbers for a large vocabulary would take seconds."""
MOST_TRIED = 8192
"""Tokens of the longest batch where no limit is named: attention may take memory by the square of them."""
MOST_CHARS = 300
_SHORT = "a"
_WORDS = "a 1 . "
_ALLOCATION = "DefaultCPUAllocator"
"""What torch's RuntimeError names where memory of the processor ran out."""


@contextmanager
def from_its_config() -> Iterator[None]:
    """Raises UnusableError where transformers makes nothing of the values in an encoder's configuration.

    What the system says of files and disks passes: it is no fault of the values.
    """
    try:
        yield
    except (EvergreenError, MemoryError, OSError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:MOST_CHARS]
        raise UnusableError(
            f"its {CONFIG} has values that transformers cannot use: {type(error).__name__}: {said}; correct or "
            "download it again"
        ) from error


def check_layers(config: Any) -> None:
    """Returns when the encoder has as many layers as a model can have. Raises UnusableError naming the setting."""
    for name in _DEPTHS:
        layers = getattr(config, name, None)
        if isinstance(layers, int) and layers > MOST_LAYERS:
            raise UnusableError(f"its {CONFIG} has {name} {layers:,} (allowed: {MOST_LAYERS:,}); correct it")


def check_architecture(config: Any) -> None:
    """Returns when transformers can put a classification head on the encoder.

    Raises:
        UnusableError: it cannot, or the encoder is of a kind that is not trained here.
    """
    from transformers import AutoModelForSequenceClassification

    if getattr(config, "is_encoder_decoder", False):
        raise UnusableError(
            f"{config.model_type} is an encoder-decoder, which is not trained here; take an encoder alone, such as "
            "BERT, RoBERTa or DeBERTa"
        )
    if getattr(config, "quantization_config", None):
        raise UnusableError("its weights are quantized, which cannot be fine-tuned; take the model they were made of")
    if type(config) not in AutoModelForSequenceClassification._model_mapping:
        raise UnusableError(f"model_type {config.model_type!r} is no text encoder that transformers can classify with")


def check_vocabulary(config: Any, tokenizer: Any) -> None:
    """Returns when the encoder has an embedding for every token. Encoders of characters have no vocabulary.

    Raises:
        UnusableError: it has fewer embeddings.
    """
    embeddings = getattr(config, "vocab_size", None)
    if embeddings is None:
        return
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if highest >= embeddings:
        raise UnusableError(
            f"its tokenizer has tokens up to number {highest}, but its config.json has vocab_size {embeddings}: they "
            "belong to different models; take tokenizer and weights of the same one"
        )


def check_reach(config: Any, max_length: int) -> None:
    """Returns when a text of so many tokens is within what the configuration names as positions.

    Raises:
        UnusableError: it is not.
    """
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and 0 < positions < max_length:  # -1 stands for no limit
        raise too_long(max_length, positions)


def check_batches(config: Any, tokens: Tokens) -> None:
    """Returns when the architecture takes the longest and the shortest batch of its tokenizer.

    No batch is tried that is longer than the positions that the configuration names, or than MOST_TRIED without.

    Raises:
        UnusableError: it does not; the length that it takes is named where a length is the reason.
    """
    named = getattr(config, "max_position_embeddings", None)
    most = min(tokens.max_length, named if isinstance(named, int) and named > 0 else MOST_TRIED)
    batch = [Tokens(tokens.tokenizer, most).of([_WORDS * most])[0], tokens.of([_SHORT])[0]]
    tokens.pad(batch)  # here, so that what a tokenizer cannot do is not laid to the configuration
    with from_its_config():
        try:
            _try_lengths(_built(_with_one_layer(config)), tokens, batch)
        except (UnusableError, MemoryError, OSError):
            raise
        except Exception:  # some architectures describe each of their layers, and cannot be had with one
            _try_lengths(_built(config), tokens, batch)
    check_reach(config, tokens.max_length)


def too_long(max_length: int, most: int) -> UnusableError:
    """The error of a cut that is longer than an encoder reads."""
    return UnusableError(f"max_length_tokens is {max_length}, but it reads at most {most}; lower it")


def _try_lengths(model: Any, tokens: Tokens, batch: list[list[int]]) -> None:
    """The longest text and the shortest through the model; on failure, the longest that goes, by halving."""
    longest, shortest = batch
    _forward(model, tokens, [shortest])
    if _taken(model, tokens, longest, shortest):
        return
    low, high = len(shortest), len(longest)
    while high - low > 1:
        middle = (low + high) // 2
        cut = Tokens(tokens.tokenizer, middle).of([_WORDS * middle])[0]
        low, high = (middle, high) if _taken(model, tokens, cut, shortest) else (low, middle)
    raise too_long(tokens.max_length, low)


def _taken(model: Any, tokens: Tokens, longest: list[int], shortest: list[int]) -> bool:
    try:
        _forward(model, tokens, [longest, shortest])
    except (IndexError, RuntimeError, ValueError) as error:
        if type(error).__name__ == "OutOfMemoryError" or _ALLOCATION in str(error):
            raise MemoryError(str(error)) from error  # it says nothing of the encoder
        return False
    return True


def _forward(model: Any, tokens: Tokens, batch: list[list[int]]) -> None:
    import torch

    with torch.inference_mode():
        logits = model(**tokens.pad(batch)).logits
    if logits.shape != (len(batch), model.config.num_labels):
        raise UnusableError(f"its classifier answers {tuple(logits.shape)} to {len(batch)} texts, not one row a text")


def _with_one_layer(config: Any) -> Any:
    """The configuration with one layer, by whichever of its fields counts them."""
    shallow = deepcopy(config)
    for name in _DEPTHS:
        if isinstance(getattr(shallow, name, None), int):
            setattr(shallow, name, 1)
    return shallow


def _built(config: Any) -> Any:
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers.initialization import no_init_weights

    with quiet_transformers(), no_init_weights():
        auto: Any = AutoModelForSequenceClassification
        model = auto.from_config(config, trust_remote_code=False, dtype=torch.float32)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.numel() <= _LARGE_TABLE:
                weights.uniform_(-0.02, 0.02)
    return model.eval()

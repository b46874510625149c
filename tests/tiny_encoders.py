"""Encoders of many architectures, tiny and with random weights, and the tokenizers that go with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny_text import FILLER, WORDS

_WORDS = [*FILLER, *(word for some in WORDS.values() for word in some)]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
VOCABULARY = [*SPECIAL, *_WORDS]
POSITIONS = 66
_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": POSITIONS,
}


def write_tokenizer(folder: Path, *, frame: bool = True, **special: str | None) -> None:
    """A tokenizer of whole words, which frames texts with `<s>` and `</s>`; `special` names its tokens."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    fast: Any = transformers.PreTrainedTokenizerFast
    numbers = {word: number for number, word in enumerate(VOCABULARY)}
    raw: Any = Tokenizer(models.WordLevel(numbers, SPECIAL[3]))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    if frame:
        raw.post_processor = processors.TemplateProcessing("<s> $A </s>", None, [("<s>", 0), ("</s>", 2)])
    usual = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"} | special
    named = {name: token for name, token in usual.items() if token is not None}
    fast(tokenizer_object=raw, **named).save_pretrained(folder)


def write_model(folder: Path, config: Any) -> None:
    """Random weights of a configuration's bare model."""
    import torch
    import transformers

    torch.manual_seed(0)
    auto: Any = transformers.AutoModel
    auto.from_config(config, trust_remote_code=False).save_pretrained(folder)


def config_of(architecture: str, **changes: Any) -> Any:
    """The configuration of a tiny model; `architecture` is a model_type of transformers."""
    import transformers

    known: dict[str, dict[str, Any]] = {
        "distilbert": {
            "dim": 32,
            "n_layers": 2,
            "n_heads": 2,
            "hidden_dim": 64,
            "max_position_embeddings": POSITIONS,
        },
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": POSITIONS},
        "albert": {**_SIZES, "embedding_size": 16},
        "electra": {**_SIZES, "embedding_size": 16},
        "canine": {**_SIZES, "num_hash_buckets": 128, "num_hash_functions": 2, "local_transformer_stride": 32},
        "deberta-v2": {**_SIZES, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
        "t5": {"d_model": 32, "num_layers": 2, "num_heads": 2, "d_ff": 64, "d_kv": 16},
    }
    usual: dict[str, Any] = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "vocab_size": len(VOCABULARY)}
    if architecture == "canine":
        usual = {}
    return transformers.AutoConfig.for_model(architecture, **{**usual, **known.get(architecture, _SIZES), **changes})


def write_encoder(folder: Path, architecture: str, **changes: Any) -> Path:
    """A folder with a tiny encoder of an architecture and its tokenizer."""
    import transformers

    folder.mkdir(parents=True)
    if architecture == "canine":
        canine: Any = transformers.CanineTokenizer
        canine().save_pretrained(folder)
    elif architecture == "gpt2":
        write_tokenizer(folder, frame=False, pad_token=None)
        changes = {"pad_token_id": None} | changes
    else:
        write_tokenizer(folder)
    write_model(folder, config_of(architecture, **changes))
    return folder

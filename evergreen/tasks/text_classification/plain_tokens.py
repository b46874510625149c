"""Text to token numbers by `tokenizer.json` alone, as transformers reads it: what a server needs that loads neither
transformers nor torch.

PlainTokens.of(model_dir, 128).read(["Shares rose"]) → [TokenizedText([101, 6661, 3123, 102], 0, 11)]

transformers writes into that file what it does to a text, and beside it which token pads, and on which side. A class of
tokenizers may do more than it wrote: `check_same` compares the two before a model's graph may answer by this way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evergreen.core.errors import InputError
from evergreen.tasks.text_classification.tokens import TokenizedText, Tokens, cut_characters, tokenized

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
SIDES = ("left", "right")
PROBES = (
    "",
    " \t\n",
    "Shares rose 3.5 % on Monday, said the bank's CEO (see page 12).",
    "  Zoë’s  CAFÉ\u00a0İstanbul ﬁnance naïve re\u0301sume\u0301 —\u200b ok\r\n",
    "東京の株価は上昇した。 Акции выросли. الأسهم ارتفعت 🎉👩\u200d👧",
    "<s> </s> <pad> <unk> [PAD] [CLS] [SEP] [MASK] <mask> <|endoftext|>",
    "word " * 3_000,
    "x" * 70_000,
)
"""Texts on which tokenizers differ, if they do: spaces, accents, scripts, what looks like their own tokens, lengths."""


@dataclass(frozen=True)
class PlainTokens:
    """A tokenizer that cuts at `max_length`. Safe in threads: it is not changed once it is made."""

    tokenizer: Tokenizer
    max_length: int
    pad_id: int
    unknown_id: int | None
    pads_left: bool

    @classmethod
    def of(cls, model_dir: Path, max_length: int) -> PlainTokens:
        """The tokenizer of a trained-model directory.

        Raises:
            InputError: it has no `tokenizer.json`, or one that cannot be read or pads with no token.
        """
        from tokenizers import Tokenizer

        path = model_dir / TOKENIZER
        config = _read(model_dir / CONFIG)
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # of the compiled library, which has no class of its own for it
            raise InputError(f"no tokenizer can be read at {path}: {error}") from error
        pad = tokenizer.token_to_id(_token(config, "pad_token") or "")
        if pad is None:
            raise InputError(f"{path} has no token to pad with that {CONFIG} names")
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length, direction=_side(config, "truncation_side"))
        unknown = tokenizer.token_to_id(_token(config, "unk_token") or "")
        return cls(tokenizer, max_length, pad, unknown, _side(config, "padding_side") == "left")

    def of_texts(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers a text, special tokens included, at least one and at most `max_length`.

        One after the other: the library's own threads would take cores that predictions have.
        """
        encoded = (self.tokenizer.encode(text) for text in cut_characters(texts, self.max_length))
        return [encoding.ids or [self.pad_id] for encoding in encoded]

    def read(self, texts: Sequence[str]) -> list[TokenizedText]:
        """The texts in tokens."""
        return tokenized(texts, self.of_texts(texts), self.unknown_id)


def check_same(plain: PlainTokens, tokens: Tokens, texts: Sequence[str]) -> None:
    """Returns when both ways read and pad the texts alike.

    Raises:
        InputError: they do not; the message says at which text.
    """
    if (plain.pad_id, plain.pads_left) != (tokens.pad_id, tokens.pads_left):
        raise InputError(f"{TOKENIZER} and {CONFIG} do not say how the tokenizer of transformers pads")
    for number, (got, wanted) in enumerate(zip(plain.read(texts), tokens.read(texts), strict=True)):
        if (list(got.ids), got.unknown) != (list(wanted.ids), wanted.unknown):
            raise InputError(f"{TOKENIZER} alone does not read text {number} as the tokenizer of transformers does")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no object")
    return content


def _token(config: dict[str, Any], name: str) -> str | None:
    """A special token, which is written as text, or as an object with its `content`."""
    given = config.get(name)
    token = given.get("content") if isinstance(given, dict) else given
    return token if isinstance(token, str) else None


def _side(config: dict[str, Any], name: str) -> str:
    side = config.get(name, "right")
    if side not in SIDES:
        raise InputError(f"{CONFIG}: {name} is {side!r} (allowed: {', '.join(SIDES)})")
    return str(side)

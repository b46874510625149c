"""Text to token numbers: one way for training, evaluation and serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import torch

LEAST_LENGTH = 8
"""Encoders that read several tokens at once, such as CANINE, cannot take a batch of very short texts otherwise."""
_MAX_CHARS_PER_TOKEN = 32
"""Text beyond that many characters for every token kept cannot matter, and a tokenizer reads all it is given."""


class TokenizedText(NamedTuple):
    """A text as a network reads it; `unknown` of its tokens are in no vocabulary, `characters` is its whole length."""

    ids: Sequence[int]
    unknown: int
    characters: int


@dataclass(frozen=True)
class Tokens:
    """A tokenizer and where it cuts. Safe in threads: every call asks for the same truncation."""

    tokenizer: Any
    max_length: int

    @property
    def pad_id(self) -> int:
        """The token number that pads."""
        return int(self.tokenizer.pad_token_id)

    @property
    def pads_left(self) -> bool:
        """Whether it stands before the text."""
        return bool(self.tokenizer.padding_side == "left")

    def of(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers a text, special tokens included, at least one and at most `max_length`."""
        encoded = self.tokenizer(
            cut_characters(texts, self.max_length),
            truncation=True,
            max_length=self.max_length,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        return [ids or [self.tokenizer.pad_token_id] for ids in encoded["input_ids"]]

    def read(self, texts: Sequence[str]) -> list[TokenizedText]:
        """The texts in tokens."""
        return tokenized(texts, self.of(texts), self.tokenizer.unk_token_id)

    def pad(self, token_ids: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """`input_ids` and `attention_mask`: (rows, longest) int64; at least LEAST_LENGTH, which some encoders need."""
        longest = max(LEAST_LENGTH, *map(len, token_ids))
        padded = self.tokenizer.pad(
            {"input_ids": list(token_ids)},
            padding="max_length",
            max_length=longest,
            return_attention_mask=True,
            return_tensors="pt",
        )
        return {"input_ids": padded["input_ids"], "attention_mask": padded["attention_mask"]}


class ReadsTexts(Protocol):
    """What reads texts for a network; rows are filled up with the token `pad_id`, before or behind the text."""

    @property
    def pad_id(self) -> int:
        """The token number that pads."""

    @property
    def pads_left(self) -> bool:
        """Whether it stands before the text."""

    def read(self, texts: Sequence[str]) -> list[TokenizedText]:
        """The texts in tokens."""


def cut_characters(texts: Sequence[str], max_length: int) -> list[str]:
    """The texts as far as a tokenizer reads them that keeps `max_length` tokens."""
    return [text[: max_length * _MAX_CHARS_PER_TOKEN] for text in texts]


def tokenized(texts: Sequence[str], token_ids: Sequence[Sequence[int]], unknown_id: int | None) -> list[TokenizedText]:
    """The texts with their tokens, those counted that stand for what is in no vocabulary."""
    return [
        TokenizedText(ids, 0 if unknown_id is None else ids.count(unknown_id), len(text))
        for text, ids in zip(texts, token_ids, strict=True)
    ]

"""Texts are read without transformers as with it, by what it wrote beside a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evergreen.core.errors import InputError
from evergreen.tasks.text_classification.plain_tokens import PROBES, PlainTokens, check_same
from evergreen.tasks.text_classification.tokens import Tokens
from tests.tiny_encoders import VOCABULARY, write_tokenizer

LONGEST = 16


def saved(folder: Path, **special: Any) -> Tokens:
    """The tokenizer as a trained model has it."""
    import transformers

    write_tokenizer(folder / "encoder", **special)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "encoder", trust_remote_code=False)
    tokenizer.save_pretrained(folder)
    return Tokens(tokenizer, LONGEST)


def test_both_ways_read_hostile_texts_alike(tmp_path: Path) -> None:
    tokens = saved(tmp_path)
    plain = PlainTokens.of(tmp_path, LONGEST)
    check_same(plain, tokens, PROBES)
    assert plain.read(["the goal"]) == tokens.read(["the goal"])
    assert (plain.pad_id, plain.pads_left) == (VOCABULARY.index("<pad>"), False)
    assert max(len(text.ids) for text in plain.read(PROBES)) == LONGEST
    assert plain.read(["the unheard"])[0].unknown == 1


def test_a_tokenizer_that_cuts_and_pads_in_front_does_so_here(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer_config.json"
    saved(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"padding_side": "left", "truncation_side": "left"}))
    plain = PlainTokens.of(tmp_path, LONGEST)
    assert plain.pads_left
    words = ["goal"] * 20 + ["bank"]
    assert plain.read([" ".join(words)])[0].ids[-2] == VOCABULARY.index("bank")
    with pytest.raises(InputError, match="do not say how"):
        check_same(plain, saved(tmp_path / "other"), PROBES)


def test_a_text_of_no_tokens_is_one_that_pads(tmp_path: Path) -> None:
    saved(tmp_path, frame=False)
    assert PlainTokens.of(tmp_path, LONGEST).read([" "])[0].ids == [VOCABULARY.index("<pad>")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", None, "no tokenizer can be read at"),
        ("tokenizer.json", "{", "no tokenizer can be read at"),
        ("tokenizer_config.json", None, "cannot be read"),
        ("tokenizer_config.json", "[]", "holds no object"),
        ("tokenizer_config.json", "{}", "no token to pad with"),
        ("tokenizer_config.json", '{"pad_token": "<pad>", "padding_side": "top"}', r"'top' \(allowed: left, right\)"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    saved(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        PlainTokens.of(tmp_path, LONGEST)


def test_a_tokenizer_that_reads_otherwise_is_refused_by_the_text(tmp_path: Path) -> None:
    tokens = saved(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"normalizer": {"type": "Lowercase"}}))
    with pytest.raises(InputError, match=r"tokenizer\.json alone does not read text 1 as"):
        check_same(PlainTokens.of(tmp_path, LONGEST), tokens, ["goal", "GOAL goal"])

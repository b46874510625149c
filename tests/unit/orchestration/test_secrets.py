from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.document import read
from orchestration.mistakes import dotted
from orchestration.secrets import check_secrets


def found(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return {dotted(one.path): one.message for one in check_secrets(read(path))}


def test_names_of_variables_and_ordinary_words_are_fine(tmp_path: Path) -> None:
    text = "source: {token_env: HF_TOKEN}\ntask: {max_length_tokens: 128, encoder: hf_user/model}\nsecrets: [hub]\n"
    assert found(tmp_path, text + "environment: {OMP_NUM_THREADS: '2'}\n") == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("source: {token_env: hf_abcdefghijklmnopqrstuvwx}\n", "source.token_env"),
        ("source: {name: 'x hf_abcdefghijklmnopqrstuvwx'}\n", "source.name"),
        ("environment: {HF_TOKEN: abcdefgh}\n", "environment.HF_TOKEN"),
        ("steps: {train: {environment: {DB_PASSWORD: abcdefgh}}}\n", "steps.train.environment.DB_PASSWORD"),
        ("key: '-----BEGIN RSA PRIVATE KEY-----abcdefgh'\n", "key"),
    ],
)
def test_a_secret_is_refused_without_showing_it(tmp_path: Path, text: str, place: str) -> None:
    mistakes = found(tmp_path, text)
    assert set(mistakes) == {place}
    assert "abcdefgh" not in mistakes[place]


def test_a_secret_filled_in_from_the_environment_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "abcdefgh")
    message = found(tmp_path, "environment: {HF_TOKEN: '${HF_TOKEN}'}\n")["environment.HF_TOKEN"]
    assert "would store a secret from an environment variable" in message
    assert "abcdefgh" not in message

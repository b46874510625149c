from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.document import read
from orchestration.mistakes import ConfigurationError, dotted
from orchestration.secrets import check_secrets, refuse_secrets


def secrets_in(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return {dotted(mistake.path): mistake.message for mistake in check_secrets(read(path))}


def test_names_of_variables_and_ordinary_words_are_fine(tmp_path: Path) -> None:
    text = "source: {token_env: HF_TOKEN}\ntask: {max_length_tokens: 128, encoder: hf_user/model}\nsecrets: [hub]\n"
    text += "run_name: my-risk-assessment-model\nplace: {path: 'https://user@host:443/a@b'}\n"
    assert secrets_in(tmp_path, text + "environment: {OMP_NUM_THREADS: '2'}\n") == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("source: {token_env: hf_abcdefghijklmnopqrstuvwx}\n", "source.token_env"),
        ("source: {name: 'x hf_abcdefghijklmnopqrstuvwx'}\n", "source.name"),
        ("environment: {HF_TOKEN: abcdefgh}\n", "environment.HF_TOKEN"),
        ("steps: {train: {environment: {DB_PASSWORD: abcdefgh}}}\n", "steps.train.environment.DB_PASSWORD"),
        ("environment: {DB_PASSWORD: 12345678}\n", "environment.DB_PASSWORD"),
        ("source: {path: 'mysql://user:abcdefgh@host/db'}\n", "source.path"),
        ("source: {token_env: AKIAABCDEFGHIJKLMNOP}\n", "source.token_env"),
        ("key: '-----BEGIN RSA PRIVATE KEY-----abcdefgh'\n", "key"),
    ],
)
def test_a_secret_is_refused_without_showing_it(tmp_path: Path, text: str, place: str) -> None:
    mistakes = secrets_in(tmp_path, text)
    assert set(mistakes) == {place}
    assert "abcdefgh" not in mistakes[place]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("environment: {HF_TOKEN: '${HF_TOKEN}'}\n", "environment.HF_TOKEN"),
        ("environment: {HF: '${HF_TOKEN}'}\n", "environment.HF"),
        ("source: {path: 'https://x:${HF_TOKEN}@h'}\n", "source.path"),
        ("source: {token_env: '${HF_TOKEN}'}\n", "source.token_env"),
        ("task: {labels: [a, 'b ${HF_TOKEN}']}\n", "task.labels[1]"),
        ("run_name: run-${HF_TOKEN}\n", "run_name"),
        ("run_name: ${PGPASSWORD}\n", "run_name"),
    ],
)
def test_a_variable_whose_name_says_secret_is_refused_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, place: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", "abcdefgh")
    monkeypatch.setenv("PGPASSWORD", "abcdefgh")
    mistakes = secrets_in(tmp_path, text)
    assert set(mistakes) == {place}
    assert "TOKEN" in mistakes[place] or "PGPASSWORD" in mistakes[place]
    assert "abcdefgh" not in mistakes[place]


@pytest.mark.parametrize("text", ["a: '${PLAIN}'\n", "a: 'x${PLAIN}'\n", "a: 'https://u:${SHORT}@h'\n"])
def test_a_secret_from_a_variable_of_any_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("PLAIN", "hf_abcdefghijklmnopqrstuvwx")
    monkeypatch.setenv("SHORT", "abcdefgh")
    mistakes = secrets_in(tmp_path, text)
    assert set(mistakes) == {"a"}
    assert "abcdefgh" not in mistakes["a"]


def test_an_ordinary_variable_is_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGION", "europe-west4")
    monkeypatch.setenv("PWD", "/home/me")
    assert secrets_in(tmp_path, "environment: {REGION: '${REGION}'}\nsource: {path: '${PWD}/news.csv'}\n") == {}


@pytest.mark.parametrize(
    "variable",
    [
        "HF_TOKEN: abcdefgh",
        "DB_PASS: abcdefgh",
        "API_KEY_2: abcdefgh",
        "SIGNING_KEY: abcdefgh",
        "WEBHOOK_SECRET_PROD: abcdefgh",
        "PLAIN: hf_abcdefghijklmnopqrstuvwx",
        "PLAIN: ghs_abcdefghijklmnopqrstuvwx",
        "PLAIN: eyJhbGciabcdefgh.eyJzdWIiabcdefgh.x",
        "PLAIN: 'Bearer abcdefghijklmnop'",
        "PLAIN: abcdefghIJKLMNOP0123456789abcdefghIJ",
        "PLAIN: '${HELD}'",
    ],
)
def test_a_secret_of_a_server_is_refused_with_where_it_belongs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("HELD", "hf_abcdefghijklmnopqrstuvwx")
    mistakes = secrets_in(tmp_path, f"parameters: {{host: {{env: {{{variable}}}}}}}\n")
    assert list(mistakes) == [f"parameters.host.env.{variable.partition(':')[0]}"]
    (message,) = mistakes.values()
    assert "Secret Manager" in message
    assert "abcdefgh" not in message


@pytest.mark.parametrize(
    "variable",
    [
        "TOKENIZERS_PARALLELISM: 'false'",
        "MAX_TOKENS: '128'",
        "HF_TOKEN: projects/my-project/secrets/hf/versions/1",
        "GOOGLE_APPLICATION_CREDENTIALS: /var/run/account.json",
        "MODEL: sentence-transformers_all-MiniLM-L6",
        "GIT_COMMIT: 0dff9f7932af0dff9f7932af0dff9f7932af0dff",
        "EVERGREEN_PICTURE_BUCKETS: pets",
    ],
)
def test_where_a_secret_lies_and_what_only_sounds_like_one_is_fine(tmp_path: Path, variable: str) -> None:
    assert secrets_in(tmp_path, f"parameters: {{host: {{env: {{{variable}}}}}}}\n") == {}


def test_secrets_are_told_alone_and_it_is_said_that_other_mistakes_follow(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("alerts: {webhook_env: 'https://hooks.example/abcdefgh'}\n", "utf-8")
    with pytest.raises(ConfigurationError) as refused:
        refuse_secrets(read(path))
    assert "export NEWS_WEBHOOK=…, and write that name; other mistakes are told once that is mended" in str(
        refused.value
    )
    assert "abcdefgh" not in str(refused.value)

"""The comment and the status on a pull request, through a GitHub on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from commands.github.api import GitHub, from_environment
from commands.github.pull_requests import COMMENT_CHARACTERS, comment, pull_request_of, set_status
from evergreen.core.errors import EvergreenError, InputError
from tests.github_stand_in import REPOSITORY, TOKEN, Repository, github

COMMIT = "c" * 40


@pytest.fixture
def repository() -> Iterator[Repository]:
    with github() as repository:
        yield repository


@pytest.fixture
def client(repository: Repository) -> GitHub:
    return GitHub(repository.url, TOKEN)


def test_a_second_delivery_changes_the_comment_and_repeats_none(repository: Repository, client: GitHub) -> None:
    repository.open_pull(7, COMMIT)
    first = comment(client, REPOSITORY, 7, "news", "better")
    assert comment(client, REPOSITORY, 7, "news", "worse") == first
    assert [posted["body"] for posted in repository.comments[7]] == ["<!-- evergreen: news -->\nworse"]


def test_each_model_has_a_comment_of_its_own(repository: Repository, client: GitHub) -> None:
    repository.open_pull(7, COMMIT)
    for model in ("news", "news-staging", "news"):
        comment(client, REPOSITORY, 7, model, model)
    assert [posted["body"].splitlines()[-1] for posted in repository.comments[7]] == ["news", "news-staging"]


def test_a_persons_comment_is_left_alone_and_ours_is_found_behind_many(repository: Repository, client: GitHub) -> None:
    repository.open_pull(7, COMMIT)
    repository.say(7, "<!-- evergreen: news -->\nmine")
    for number in range(150):
        repository.say(7, f"talk {number}")
    comment(client, REPOSITORY, 7, "news", "one")
    comment(client, REPOSITORY, 7, "news", "two")
    assert len(repository.comments[7]) == 152
    assert repository.comments[7][0]["body"].endswith("mine")
    assert repository.comments[7][-1]["body"].endswith("two")


def test_the_open_pull_request_whose_head_it_is_comes_first(repository: Repository, client: GitHub) -> None:
    assert pull_request_of(client, REPOSITORY, COMMIT) is None
    repository.open_pull(5, COMMIT, state="closed")
    assert pull_request_of(client, REPOSITORY, COMMIT) is None
    repository.open_pull(6, COMMIT, head="d" * 40)
    repository.open_pull(7, COMMIT)
    assert pull_request_of(client, REPOSITORY, COMMIT) == 7


def test_what_is_too_long_for_github_is_cut(repository: Repository, client: GitHub) -> None:
    repository.open_pull(7, COMMIT)
    comment(client, REPOSITORY, 7, "news", "x" * 70_000)
    assert len(repository.comments[7][0]["body"]) == COMMENT_CHARACTERS
    set_status(client, REPOSITORY, COMMIT, "evergreen/news", "y" * 500, fine=False)
    assert repository.statuses[COMMIT][0]["state"] == "failure"


def test_a_refusal_is_told_in_githubs_words_and_without_the_token(repository: Repository) -> None:
    with pytest.raises(EvergreenError, match=r"refused GET /repos/.*: 401 Bad credentials") as caught:
        pull_request_of(GitHub(repository.url, "ghs_secret"), REPOSITORY, COMMIT)
    assert "ghs_secret" not in str(caught.value)
    assert "ghs_secret" not in repr(GitHub("https://x", "ghs_secret"))


def test_no_answer_is_told_with_the_address() -> None:
    with pytest.raises(EvergreenError, match=r"does not answer GET /a at http://127\.0\.0\.1:9"):
        GitHub("http://127.0.0.1:9", TOKEN).get("/a")


@pytest.mark.parametrize(
    ("url", "token", "message"),
    [("https://api.github.com", "", "GITHUB_TOKEN is not set"), ("file:///etc", TOKEN, "is no address of GitHub's")],
)
def test_a_workflow_that_gives_no_token_or_another_address_is_told(
    monkeypatch: pytest.MonkeyPatch, url: str, token: str, message: str
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", url)
    monkeypatch.setenv("GITHUB_TOKEN", token)
    with pytest.raises(InputError, match=message):
        from_environment()

"""One comment and one status on what a commit is proposed by: written again, they are changed and not repeated."""

from __future__ import annotations

from typing import Any

from commands.github.api import GitHub

DESCRIPTION_CHARACTERS = 140
"""GitHub's limit of a status's description."""
COMMENT_CHARACTERS = 65_000
"""GitHub takes 65,536."""


def pull_request_of(github: GitHub, repository: str, commit: str) -> int | None:
    """The number of the open pull request that has the commit; that whose last one it is, where there are several."""
    pulls = [pull for pull in github.pages(f"/repos/{repository}/commits/{commit}/pulls") if pull["state"] == "open"]
    pulls.sort(key=lambda pull: (pull["head"]["sha"] != commit, pull["number"]))
    return int(pulls[0]["number"]) if pulls else None


def comment(github: GitHub, repository: str, number: int, topic: str, text: str) -> str:
    """Where the comment on this topic is, which now says `text`; a person's comment is left alone."""
    marker = f"<!-- evergreen: {topic} -->"
    body = f"{marker}\n{text}"[:COMMENT_CHARACTERS]
    comments = f"/repos/{repository}/issues"
    for posted in github.pages(f"{comments}/{number}/comments"):
        if posted["body"].startswith(marker) and posted["user"]["type"] == "Bot":
            return _address(github.patch(f"{comments}/comments/{posted['id']}", body=body))
    return _address(github.post(f"{comments}/{number}/comments", body=body))


def set_status(github: GitHub, repository: str, commit: str, context: str, sentence: str, *, fine: bool) -> None:
    """What stands beside the checks of the commit, and keeps a pull request from being merged where it is required."""
    description = sentence if len(sentence) <= DESCRIPTION_CHARACTERS else f"{sentence[: DESCRIPTION_CHARACTERS - 1]}…"
    state = "success" if fine else "failure"
    github.post(f"/repos/{repository}/statuses/{commit}", state=state, context=context, description=description)


def _address(answer: Any) -> str:
    return str(answer["html_url"])

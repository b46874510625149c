"""Challenger against champion on the pull request: one comment, and a status that fails when the gate said no."""

from __future__ import annotations

import argparse
import json
import os
import re
from pathlib import Path
from typing import Any

from commands.github.api import from_environment
from commands.github.files import summarize
from commands.github.pull_requests import comment, pull_request_of, set_status
from evergreen.core.errors import InputError

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40,64}")


def main(args: argparse.Namespace) -> int:
    """Exit code 0 when the gate let the version through and it was not rolled back, else 1."""
    outcome, markdown = _read(args.outcome)
    repository = os.environ.get("GITHUB_REPOSITORY", "")
    if not REPOSITORY.fullmatch(repository):
        raise InputError(f"GITHUB_REPOSITORY should be owner/name, got {repository!r}")
    if not COMMIT.fullmatch(args.commit):
        raise InputError(f"--commit should be a commit's full SHA, got {args.commit!r}")
    fine, sentence = _verdict(outcome)
    summarize(markdown)
    github = from_environment()
    number = pull_request_of(github, repository, args.commit)
    if number is None:
        print(f"no open pull request has commit {args.commit}")
    else:
        print(comment(github, repository, number, outcome["model"], f"{markdown}\n{_origin(args.commit)}"))
    set_status(github, repository, args.commit, f"evergreen/{outcome['model']}", sentence, fine=fine)
    print(sentence)
    return 0 if fine else 1


def _read(folder: Path) -> tuple[dict[str, Any], str]:
    """The outcome, and the same as Markdown.

    Raises:
        InputError: the folder holds none.
    """
    try:
        outcome: dict[str, Any] = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))
        return outcome, (folder / "outcome.md").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} holds no outcome of a run: {error}; run with --outcome {folder}") from error


def _verdict(outcome: dict[str, Any]) -> tuple[bool, str]:
    """Whether all went well, and the sentence that says so."""
    version, champion = outcome["version"], outcome["champion"]
    if not outcome["accepted"]:
        failed = [reason["rule"] for reason in outcome["reasons"] if not reason["passed"]]
        against = f"; champion {champion} stays" if champion else ""
        return False, f"the gate kept version {version} out ({', '.join(failed)}){against}"
    if outcome["deployment"] == "rolled_back":
        return False, f"the gate let version {version} through, but its deployment was rolled back"
    if champion == version:
        return True, f"version {version} is the champion already"
    return True, f"the gate let version {version} through" + (f" against champion {champion}" if champion else "")


def _origin(commit: str) -> str:
    """The commit, and the workflow's run that speaks, where there is one."""
    server, run = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_RUN_ID")
    job = f", [workflow run]({server}/{os.environ['GITHUB_REPOSITORY']}/actions/runs/{run})" if server and run else ""
    return f"Commit {commit}{job}"

"""Which commit a run notes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from orchestration.commit import COMMIT_KEY, commit_of
from orchestration.runs import CONFIGURATION_KEY, marked


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *names, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_commit_of_a_checkout_is_told_with_whether_its_files_differ(tmp_path: Path) -> None:
    assert commit_of(tmp_path) is None
    git(tmp_path, "init", "--quiet")
    assert commit_of(tmp_path) is None
    (tmp_path / "step.py").write_text("one = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    git(tmp_path, "tag", "v1")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert commit_of(tmp_path) == commit
    (tmp_path / "step.py").write_text("one = 2\n")
    assert commit_of(tmp_path) == f"{commit} with changes"
    git(tmp_path, "checkout", "--", "step.py")
    (tmp_path / ".gitignore").write_text("__pycache__\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "two")
    commit = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "step.pyc").touch()
    assert commit_of(tmp_path) == commit
    (tmp_path / "task.py").write_text("a task that is in no commit\n")
    assert commit_of(tmp_path) == f"{commit} with changes"


def test_a_run_is_marked_with_its_model_and_its_commit_beside_what_it_has() -> None:
    options = {"tags": ["mine"], "extra": {"stacks": ["local"]}, "enable_cache": True}
    given = marked(options, "news")
    assert given["tags"] == ["mine", "model=news"]
    assert given["extra"]["stacks"] == ["local"]
    assert set(given["extra"]) <= {"stacks", COMMIT_KEY}
    assert options["tags"] == ["mine"]


def test_a_run_is_marked_with_its_configuration_beside_what_the_user_calls_so() -> None:
    given = marked({"extra": {"configuration": "of ours"}}, "news", configuration=Path("configs/prod.yaml"))
    assert given["extra"]["configuration"] == "of ours"
    assert given["extra"][CONFIGURATION_KEY] == "configs/prod.yaml"

"""What a person is told of a run that failed on an orchestrator elsewhere."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from evergreen.core.errors import EvergreenError, InputError

pytestmark = pytest.mark.usefixtures("zenml_home")
REFUSAL = RuntimeError("Job failed with:\ncode: 9")


def a_run(status: str = "failed", **raised: tuple[str, str] | None) -> Any:
    """A run whose steps of these names failed with an exception of a source and a message, or without telling one."""
    steps = {
        name: SimpleNamespace(
            status=SimpleNamespace(is_failed=True),
            exception_info=SimpleNamespace(source=error[0], message=error[1]) if error else None,
        )
        for name, error in raised.items()
    }
    done = SimpleNamespace(status=SimpleNamespace(is_failed=False), exception_info=None)
    return SimpleNamespace(id=uuid4(), name="training-7", status=status, steps={"identify": done, **steps}, stack=None)


@pytest.mark.parametrize(
    ("run", "kind", "message"),
    [
        (a_run(fetch=("evergreen.core.errors.InputError", "no table news")), InputError, "'fetch'.*: no table news"),
        (a_run(train=("builtins.MemoryError", "too big")), EvergreenError, "'train' of run training-7 failed: too big"),
        (a_run(train=("builtins.KeyError", "'text'")), EvergreenError, r"failed: 'text' \(KeyError\)$"),
        (a_run(fetch=("orchestration.mistakes.ConfigurationError", "2 mistakes")), InputError, "failed: 2 mistakes$"),
        (a_run(deploy=("evergreen.core.errors.EndpointError", "no answer")), EvergreenError, "failed: no answer$"),
        (
            a_run(split=None),
            EvergreenError,
            "'split' of run training-7 failed, look at its logs .*: Job failed with: code",
        ),
        (a_run(), EvergreenError, "^run training-7 failed, look at its logs"),
        (a_run("stopped", train=None), EvergreenError, "^run training-7 was stopped; `status` shows"),
    ],
    ids=[
        "bad input",
        "a failure",
        "a mere name",
        "bad input to us",
        "our failure",
        "around the step",
        "no step",
        "stopped",
    ],
)
def test_a_failed_run_is_one_line_that_names_the_step(
    monkeypatch: pytest.MonkeyPatch, run: Any, kind: type[Exception], message: str
) -> None:
    from orchestration import runs

    monkeypatch.setattr(runs, "newest_submission", lambda *own: run if own == ("news", "training-7") else None)
    failure = runs.run_failure("news", "training-7", REFUSAL)
    assert type(failure) is kind
    with pytest.raises(kind, match=message):
        raise failure


def test_what_the_orchestrator_refused_before_any_run_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration import runs

    monkeypatch.setattr(runs, "newest_submission", lambda *_: None)
    assert runs.run_failure("news", "training-7", REFUSAL) is REFUSAL


def test_of_a_task_that_died_before_its_code_ran_the_platforms_words_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration import runs

    words = "task 'train': no machine was to be had: The following quota metrics exceed quota limits"
    monkeypatch.setattr(runs, "newest_submission", lambda *_: a_run())
    monkeypatch.setattr(runs, "death_words", lambda _: words)
    with pytest.raises(EvergreenError, match=f"^run training-7 failed: {re.escape(words)}$"):
        raise runs.run_failure("news", "training-7", REFUSAL)

"""Signals that are held back while something is done that must not be cut in two."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from commands.interruption import held_back
from commands.termination import Terminated, sigterm_raises


@pytest.fixture(autouse=True)
def same_handlers() -> Iterator[None]:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def submit(done: list[str], *numbers: signal.Signals, error: Exception | None = None) -> None:
    """A submission that these signals break into."""
    with held_back("the job is submitted"):
        for number in numbers:
            signal.raise_signal(number)
        if error:
            raise error
        done.append("submitted")


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_waits_for_the_end_of_the_block(
    number: signal.Signals, raised: type[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []
    with sigterm_raises(), pytest.raises(raised):
        submit(done, number)
    assert done == ["submitted"]
    assert "waiting until the job is submitted" in capfd.readouterr().err


def test_it_comes_through_where_the_block_fails() -> None:
    with pytest.raises(KeyboardInterrupt):
        submit([], signal.SIGINT, error=RuntimeError("not taken"))


def test_a_second_one_waits_no_longer() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        submit(done, signal.SIGINT, signal.SIGINT)
    assert done == []


def test_a_block_that_nothing_breaks_into_ends_as_ever() -> None:
    with pytest.raises(RuntimeError, match="not taken"), held_back("the job is submitted"):
        raise RuntimeError("not taken")

"""How far a step is, sent beside the work that it tells of."""

from __future__ import annotations

import threading
import time

import pytest

from tests.waiting import wait_until


def test_a_server_that_hangs_holds_up_no_training_and_the_newest_words_come_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from orchestration import progress

    monkeypatch.setattr(progress, "SEND_EVERY_S", 0.0)
    sent: list[str] = []
    answers = threading.Event()

    def send(text: str) -> None:
        answers.wait(30)
        sent.append(text)

    sender = progress.Progress(send)
    sender.tell("0 of 4 rows")
    began = time.monotonic()
    for rows in range(1, 5):
        sender.tell(f"{rows} of 4 rows")
    assert time.monotonic() - began < 1
    answers.set()
    wait_until(lambda: "4 of 4 rows" in sent, timeout_s=10)
    assert len(sent) <= 2  # what was out of date by then is not sent
    sender.close()


def test_a_server_that_refuses_ends_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration import progress

    monkeypatch.setattr(progress, "SEND_EVERY_S", 0.0)
    asked: list[str] = []

    def send(text: str) -> None:
        asked.append(text)
        raise ConnectionError("no route to the server")

    sender = progress.Progress(send)
    sender.tell("first")
    wait_until(lambda: asked == ["first"], timeout_s=10)
    sender.tell("second")
    wait_until(lambda: asked == ["first", "second"], timeout_s=10)
    sender.close()


def test_outside_of_a_step_nothing_is_noted() -> None:
    from orchestration.progress import step_progress

    with step_progress() as note:
        note("1 of 4 rows")

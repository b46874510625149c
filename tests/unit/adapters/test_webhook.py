from __future__ import annotations

import pytest

from evergreen.adapters import webhook
from evergreen.adapters.webhook import is_address, post
from evergreen.core.alerts import ChannelError
from tests.webhooks import SECRET, listening

CONTENT = {"text": "news: the rows moved", "kind": "drift"}


def test_a_webhook_gets_the_content_as_json() -> None:
    for status in (200, 202, 204):
        with listening(status) as asked:
            post(asked.url, CONTENT)
            assert asked.messages == [CONTENT]


def test_one_that_is_out_of_order_for_a_moment_is_asked_again() -> None:
    with listening(503, 200) as asked:
        post(asked.url, CONTENT)
        assert len(asked.messages) == 2


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (500, "the fault is the service's own, the address was found"),
        (404, "it knows no such address, .*make a new one"),
        (410, "it knows no such address, .*make a new one"),
        (401, "it does not let this sender in: make a new address"),
        (403, "it does not let this sender in: make a new address"),
        (400, "it does not take JSON of this form"),
        (302, "no redirect is followed: give the address itself"),
    ],
)
def test_one_that_refuses_is_told_at_once_and_never_by_its_address(status: int, advice: str) -> None:
    with listening(status) as asked:
        with pytest.raises(ChannelError, match=f"^it answers with status {status}; {advice}") as refused:
            post(asked.url, CONTENT)
        assert len(asked.messages) == 1
    assert refused.value.failure.reason == f"it answers with status {status}"
    assert SECRET not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_one_that_hangs_is_asked_again_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "READ_S", 0.3)
    monkeypatch.setattr(webhook, "RETRY_S", 0.9)
    with listening(0) as asked:
        with pytest.raises(ChannelError, match=r"does not answer within 0\.3 s; try again later") as told:
            post(asked.url, CONTENT)
        assert len(asked.messages) in (2, 3)
    assert SECRET not in f"{told.value}{told.value.__cause__}"


def test_one_whose_answer_has_no_end_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "MOST_S", 0.5)
    with listening(1) as asked, pytest.raises(ChannelError, match=r"not answered whole within 0\.5 s; try again"):
        post(asked.url, CONTENT)


def test_one_that_is_gone_or_stays_out_of_order_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "RETRY_S", 0.4)
    for status, advice in ((503, "the fault is the service's own"), (429, "it takes no more for now")):
        message = f"status {status}, again and again; {advice}"
        with listening(status) as asked, pytest.raises(ChannelError, match=message):
            post(asked.url, CONTENT)
    with pytest.raises(ChannelError, match="it cannot be reached; check the address's host and port") as told:
        post(asked.url, CONTENT)
    assert SECRET not in str(told.value)


@pytest.mark.parametrize("url", ["hooks.example/T00", "ftp://hooks.example", "https://?T00", "https://[half"])
def test_what_is_no_address_is_none_and_is_not_shown(url: str) -> None:
    assert not is_address(url)
    with pytest.raises(ChannelError) as told:
        post(url, CONTENT)
    assert url not in str(told.value)
    assert is_address("https://hooks.example/T00")

"""What the short way reads of a request is what HTTP's parser reads."""

from __future__ import annotations

import time

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.serving.accounts import Accounts
from evergreen.serving.model import ServedModel
from evergreen.serving.settings import ServerSettings
from evergreen.serving.turning_away import TurningAway
from tests.keyword_model import KEYWORDS, KeywordPredictor, write_keyword_model

NAMES = st.sampled_from(["host", "Host", "content-type", "Content-Length", "content-length", "x", "x y", "", "expect"])
SAID = ["127.0.0.1", "localhost", "keep-alive", "close", "application/json", "0", "3", "03", "3, 3", "+3"]
VALUES = st.sampled_from(SAID) | st.text(st.sampled_from(list(" \t3a\x80\r\n\x00:")), max_size=6)
COLONS = st.sampled_from([":", ": ", " : ", ":\t"])
LINES = st.lists(st.tuples(NAMES, COLONS, VALUES, st.sampled_from(["", " "])), max_size=5)
BODIES = st.sampled_from([b"", b"abc", b"abc\r\n", b"POST / HTTP/1.1\r\n\r\n"])
FIRST = "POST /predict HTTP/1.1"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> TurningAway:
    folder = tmp_path_factory.mktemp("full")
    write_keyword_model(folder / "model")
    settings = ServerSettings(storage_uri=str(folder / "model"), max_waiting=1)
    model = ServedModel(settings, lambda _: KeywordPredictor(KEYWORDS))
    model.load()
    model.waiting = 1
    return TurningAway(settings, model, Accounts(settings, model))


def parsed(data: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body of the one request that the bytes are. Raises AssertionError: they are another thing."""
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(data)
    request, body = parser.next_event(), b""
    assert isinstance(request, h11.Request)
    while isinstance(event := parser.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    assert parser.trailing_data == (b"", False)
    return {name.decode(): value.decode() for name, value in request.headers}, body


@given(lines=LINES, fits=st.booleans(), body=BODIES)
def test_what_is_taken_for_a_whole_request_is_one_to_the_parser(
    full: TurningAway, lines: list[tuple[str, str, str, str]], fits: bool, body: bytes
) -> None:
    given_lines = ["".join(parts) for parts in lines]
    given_lines += ["host: localhost", f"content-length: {len(body)}"] if fits else []
    data = "\r\n".join([FIRST, *given_lines, "", ""]).encode("latin-1") + body
    headers = full._headers(data)
    if headers is not None:
        assert parsed(data) == (headers, body)


@pytest.mark.parametrize(("length", "body"), [("0" * 12 + "34", b""), ("0" * 11 + "34", b"abc"), ("03", b"abc")])
def test_a_length_of_another_spelling_is_left_to_the_parser(full: TurningAway, length: str, body: bytes) -> None:
    data = f"{FIRST}\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n".encode() + body
    assert full._headers(data) is None


def test_no_head_takes_long_to_read(full: TurningAway) -> None:
    began = time.process_time()
    for end in (b"\x80", b"\t\x80", b""):
        full._headers(FIRST.encode() + b"\r\na:" + b" " * 8000 + end + b"\r\n\r\n")
    assert time.process_time() - began < 0.5


def test_a_usual_request_is_read(full: TurningAway) -> None:
    data = f"{FIRST}\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc".encode()
    assert full._headers(data) == {"host": "localhost", "content-length": "3"}

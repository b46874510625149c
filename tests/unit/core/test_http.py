import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.http import origin_refusal, time_left_s, trace_id


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:8501"}, None),
        ({"host": "LOCALHOST"}, None),
        ({"host": "localhost.:80"}, None),
        ({"host": "127.3.4.5"}, None),
        ({"host": "[::1]:8501"}, None),
        ({}, None),
        ({"host": "evil.example"}, 421),
        ({"host": "localhost.evil.example"}, 421),
        ({"host": "127.0.0.1@evil.example"}, 421),
        ({"host": "192.168.0.1"}, 421),
        ({"host": ""}, 421),
        ({"host": "127.0.0.1", "origin": "https://evil.example"}, 403),
        ({"host": "127.0.0.1", "origin": "null"}, 403),
        ({"host": "127.0.0.1", "origin": "http://127.0.0.1.evil.example"}, 403),
        ({"host": "127.0.0.1", "origin": "http://127.0.0.1:3000"}, None),
        ({"host": "127.0.0.1", "origin": "http://["}, 403),
        ({"host": "127.0.0.1", "origin": "http://℀.com"}, 403),
        ({"host": "127.0.0.1", "origin": "//127.0.0.1"}, 403),
        ({"host": "127.0.0.1", "origin": "http://127.0.0.1 evil.example"}, 403),
        ({"host": "127.0.0.1", "sec-fetch-site": "cross-site"}, 403),
        ({"host": "127.0.0.1", "sec-fetch-site": "same-origin"}, None),
    ],
)
def test_what_listens_on_loopback_answers_to_its_own_names_alone(headers: dict[str, str], status: int | None) -> None:
    refusal = origin_refusal("POST", headers, "127.0.0.1")
    assert (refusal[0] if refusal else None) == status
    assert origin_refusal("POST", headers, "0.0.0.0") is None  # noqa: S104 - its names are not known here


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "app.example", "origin": "https://app.example"}, None),
        ({"host": "127.0.0.1", "origin": "https://App.example:8443"}, None),
        ({"host": "host.docker.internal:8501"}, None),
        ({"host": "evil.example"}, 421),
        ({"host": "app.example", "origin": "https://evil.example"}, 403),
        ({"host": "app.example", "origin": "https://app.example.evil.example"}, 403),
    ],
)
def test_a_server_on_loopback_may_be_given_further_names(headers: dict[str, str], status: int | None) -> None:
    refusal = origin_refusal("POST", headers, "127.0.0.1", ("app.example", "host.docker.internal"))
    assert (refusal[0] if refusal else None) == status


@given(st.sampled_from(["host", "origin", "sec-fetch-site"]), st.text() | st.text("[]:/@℀％.1a", max_size=8))
def test_whatever_a_header_holds_is_a_refusal_or_none(name: str, text: str) -> None:
    for value in (text, f"http://{text}"):
        refusal = origin_refusal("POST", {name: value}, "127.0.0.1", ("app.example",))
        assert refusal is None or refusal[0] in (403, 421)


def test_a_link_of_another_site_may_be_followed_to_this_machine() -> None:
    headers = {"host": "127.0.0.1", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert origin_refusal("GET", headers, "127.0.0.1") is None
    assert origin_refusal("POST", headers, "127.0.0.1") is not None


@pytest.mark.parametrize("sent", ["a b", "x" * 129, "<script>", "é", ""])
def test_a_trace_id_that_is_none_is_replaced(sent: str) -> None:
    assert trace_id({"x-trace-id": sent}) != sent


@pytest.mark.parametrize(("sent", "seconds"), [("1500", 1.5), ("", None), ("-1", None), ("1e9", None), ("²", None)])
def test_the_time_that_a_caller_has_left_is_read_where_it_is_any(sent: str, seconds: float | None) -> None:
    assert time_left_s({"x-time-left-ms": sent}) == seconds

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.core.errors import InputError
from evergreen.core.traces import new_trace, version_of
from evergreen.runtime.http import (
    HostName,
    Trace,
    malformed,
    media_refusal,
    origin_refusal,
    repeated_refusal,
    target_host,
    time_left_s,
)
from evergreen.serving.settings import ServerSettings

HOSTS: TypeAdapter[str] = TypeAdapter(HostName)


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


@pytest.mark.parametrize("name", ["host", "origin"])
def test_a_refusal_names_who_came_and_the_setting_that_allows_it(name: str) -> None:
    refusal = origin_refusal("POST", {name: "https://app.example" if name == "origin" else "app.example"}, "127.0.0.1")
    assert refusal is not None
    assert "app.example'" in refusal[1]
    assert "host.allowed_hosts (EVERGREEN_ALLOWED_HOSTS" in refusal[1]


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
    assert Trace({"x-trace-id": sent}).id != sent


def test_a_trace_id_that_is_made_here_names_the_version_that_is_asked_last() -> None:
    trace = Trace({})
    first = trace.ask("36df30fb3710")
    assert version_of(first) == "36df30fb3710"
    assert trace.ask("36df30fb3710") == first
    assert version_of(trace.ask("56eecea4b145")) == "56eecea4b145"
    assert len({Trace({}, "36df30fb3710").id for _ in range(100)}) == 100


@pytest.mark.parametrize("headers", [{"x-trace-id": "t-1"}, {"traceparent": f"00-{'4b' * 16}-{'0f' * 8}-01"}])
def test_a_trace_id_of_the_caller_stays_whatever_is_asked(headers: dict[str, str]) -> None:
    trace = Trace(headers, "36df30fb3710")
    assert trace.ask("56eecea4b145") == trace.id
    assert trace.id in headers.get("x-trace-id", headers.get("traceparent", ""))


@pytest.mark.parametrize("version", ["", "v23456789012", "36df30fb371", "36DF30FB3710"])
def test_a_version_that_is_no_part_of_a_w3c_trace_is_not_named(version: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", new_trace(version))
    assert not version or not new_trace(version).startswith(version)


@pytest.mark.parametrize("other", ["", "36df30fb3710", "t-1", "g" * 32, "4b" * 17])
def test_what_is_no_trace_id_of_ours_names_no_version(other: str) -> None:
    assert version_of(other) is None


def test_the_time_that_a_caller_has_left_is_read_where_it_says_so() -> None:
    assert time_left_s({"x-time-left-ms": "1500"}) == 1.5
    assert time_left_s({"x-time-left-ms": "0"}) == 0
    assert time_left_s({}) is None


@pytest.mark.parametrize("sent", ["", "-1", "1e9", "²", "1.5", "soon", "1" * 10])
def test_a_time_left_that_is_none_is_refused(sent: str) -> None:
    with pytest.raises(InputError, match=r"x-time-left-ms is .*; send whole milliseconds"):
        time_left_s({"x-time-left-ms": sent})


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("http://evil.example/predict", "evil.example"),
        ("http://127.0.0.1:8501/predict?x=1", "127.0.0.1:8501"),
        ("foo://evil.example", "evil.example"),
        ("http://127.0.0.1@evil.example/", "127.0.0.1@evil.example"),
    ],
)
def test_a_target_that_is_a_whole_url_is_held_to_the_rules_of_hosts(target: str, host: str) -> None:
    assert target_host(target) == {"host": host}
    refusal = origin_refusal("POST", target_host(target), "127.0.0.1")
    assert (refusal is None) == host.startswith("127.0.0.1:")
    assert target_host("/predict") == {}


@pytest.mark.parametrize(
    "name", ["app.example", "host.docker.internal", "192.168.0.7", "my_host", "a", "fd00::1", "[fd00::1]"]
)
def test_a_name_of_a_server_is_a_name_alone_and_stays_it_when_it_is_read_again(name: str) -> None:
    host = LocalHostSettings(allowed_hosts=(name,))
    assert host.allowed_hosts == (name.strip("[]"),)
    assert LocalHostSettings.model_validate(host.model_dump(mode="json")) == host


def test_an_address_of_ipv6_is_a_further_name() -> None:
    for written in ("fd00::1", "[fd00::1]"):
        allowed = (HOSTS.validate_python(written),)
        assert origin_refusal("GET", {"host": "[fd00::1]:8501"}, "127.0.0.1", allowed) is None


@pytest.mark.parametrize(
    "given",
    [
        "https://app.example",
        "app.example:8443",
        "app.example/path",
        "",
        "*",
        "*.example",
        "a b",
        "user@app.example",
        "[",
        "[app.example]",
        "[fd00::1]:8501",
        "fe80::1%eth0",
        "1:2",
    ],
)
def test_what_is_no_name_of_a_host_is_told_with_what_is(given: str) -> None:
    with pytest.raises(ValidationError, match="is no host's name; give the name or address alone, without scheme"):
        HOSTS.validate_python(given)
    for made in (
        lambda: LocalHostSettings(allowed_hosts=(given,)),
        lambda: ServerSettings(storage_uri="m", allowed_hosts=(given,)),
    ):
        with pytest.raises(ValidationError, match="is no host's name"):
            made()


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("illegal request line: bytearray(b'GET secret')", ": illegal request line"),
        ("Illegal header value b'secret'", ": Illegal header value"),
        ("Missing mandatory Host: header", ": Missing mandatory Host: header"),
        ("Duplicate 'Host' header found.", ": Duplicate 'Host' header found"),
        ("Invalid header token:\n\n  b'secret'\n    ^", ": Invalid header token"),
        ("Bad status line 'secret word'", ": Bad status line"),
        (
            "Content-Length can't be present with Transfer-Encoding:\n\n  b'secret'",
            ": Content-Length can't be present with Transfer-Encoding",
        ),
        ("", ""),
    ],
)
def test_what_a_parser_knows_of_a_malformed_request_is_told_without_its_quotes(message: str, what: str) -> None:
    expected = f"this is no well-formed HTTP request{what}; send it by an HTTP/1.1 client, such as curl"
    assert malformed(message) == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Host", "X-Time-Left-Ms", "x-time-left-ms"], "x-time-left-ms is there 2 times; send it once"),
        (["host", "Host", "HOST"], "host is there 3 times; send it once"),
        (["host", "accept", "accept", "cookie", "cookie", "traceparent", "traceparent"], None),
    ],
)
def test_a_header_of_one_value_is_said_once(names: list[str], message: str | None) -> None:
    assert repeated_refusal(names) == message


@pytest.mark.parametrize(
    ("content_type", "refusal"),
    [
        ("application/json", None),
        ("application/json; charset=utf-8", None),
        ('Application/JSON ;CHARSET="UTF-8"; profile=x', None),
        ("application/problem+json; charset=us-ascii", None),
        ("", None),
        (
            "application/json; charset=latin-1",
            "charset of content-type is 'latin-1' (allowed: utf-8); send the body in ",
        ),
        ("application/json;profile=x; charset = UTF-16", "charset of content-type is 'utf-16' (allowed: utf-8)"),
        ("application/json; charset", "charset of content-type is '' (allowed: utf-8)"),
        ("text/plain; charset=utf-8", "content-type is 'text/plain'; send"),
    ],
)
def test_a_body_is_read_that_is_json_in_utf_8(content_type: str, refusal: str | None) -> None:
    told = media_refusal(content_type, "")
    assert told is None if refusal is None else str(told).startswith(refusal)

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.errors import InputError, InstanceError
from evergreen.serving.requests import MediaTypeError, check_media_type, parse_request

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(instances=st.lists(JSON_VALUES, min_size=1, max_size=5), ascii_only=st.booleans())
def test_every_well_formed_request_is_read_as_it_was_written(instances: list[Any], ascii_only: bool) -> None:
    body = json.dumps({"instances": instances, "parameters": {}}, ensure_ascii=ascii_only).encode()
    assert parse_request(body, max_instances=5).instances == instances


def test_parameters_are_read_and_may_be_left_out() -> None:
    assert parse_request(b'{"instances": [1], "parameters": {"top_k": 2}}', 1).parameters == {"top_k": 2}
    for without in (b'{"instances": [1]}', b'{"instances": [1], "parameters": null}'):
        assert parse_request(without, 1).parameters == {}


@given(body=st.binary(max_size=200))
def test_any_bytes_are_a_request_or_an_input_error(body: bytes) -> None:
    with contextlib.suppress(InputError):
        assert parse_request(body, max_instances=5).instances


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"text=hello", "not JSON"),
        (b'{"instances": [NaN]}', "NaN is no JSON number"),
        (b'{"instances": [1e999]}', "too large a number"),
        (
            b'{"instances": [' + b"9" * 5000 + b"]}",
            'is read here: a whole number has more than 4,300 digits; send {"instances": [{…}]}',
        ),
        (b'{"instances": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}", "(allowed: 50 levels); send"),
        (b'{"instances": ["\xff"]}', "not UTF-8: byte 16 is 0xff; encode it in UTF-8"),
        ("\ufeff{}".encode(), "not JSON"),
        (b'{"instances": [1], "instances": [2]}', '"instances" appears twice'),
        (b"[]", "a JSON array"),
        (b"null", "a JSON null"),
        (b"{}", "'instances' is missing (has: nothing)"),
        (b'{"instance": []}', "'instances' is missing (has: \"instance\")"),
        (b'{"instances": {}}', "a JSON object"),
        (b'{"instances": true}', "a JSON boolean"),
        (b'{"instances": 1.5}', "a JSON number"),
        (b'{"instances": []}', "is empty"),
        (b'{"instances": [1, 2, 3, 4]}', "holds 4, allowed are 3"),
        (
            b'{"instances": [1], "paramters": {}}',
            'unknown field "paramters" (allowed: instances, parameters); leave it out',
        ),
        (b'{"instances": [1], "parameters": []}', "'parameters' is a JSON array"),
        (b'{"instances": [1], "parameters": {"a": ' + b"[" * 60 + b"]" * 60 + b"}}", "(allowed: 50 levels); send"),
    ],
)
def test_a_malformed_request_is_told_what_is_wrong(body: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_request(body, max_instances=3)
    assert message in str(caught.value)


def test_half_a_surrogate_pair_is_refused_with_the_instance_named() -> None:
    body = rb'{"instances": [{"text": "\ud83d\ude00"}, {"text": "\ud83d"}]}'
    with pytest.raises(InstanceError) as caught:
        parse_request(body, max_instances=3)
    assert caught.value.index == 1


@pytest.mark.parametrize("declared", ["", "application/json", "Application/JSON; charset=utf-8", "application/ld+json"])
def test_json_and_undeclared_bodies_are_read(declared: str) -> None:
    check_media_type(declared, "")


@pytest.mark.parametrize(
    ("media_type", "encoding"), [("text/plain", ""), ("application/x-www-form-urlencoded", ""), ("", "gzip")]
)
def test_another_media_type_or_encoding_is_refused(media_type: str, encoding: str) -> None:
    with pytest.raises(MediaTypeError, match="send"):
        check_media_type(media_type, encoding)


def test_a_repeated_key_among_many_is_named_in_no_time() -> None:
    pairs = ",".join(f'"{number}": 0' for number in range(100_000))
    began = time.monotonic()
    with pytest.raises(InputError, match='"99999" appears twice'):
        parse_request(f'{{"instances": [{{{pairs}, "99999": 1}}]}}'.encode(), max_instances=1)
    assert time.monotonic() - began < 5


def test_a_message_names_a_few_of_many_keys() -> None:
    body = json.dumps({f"{'long ' * 30}{number}": 0 for number in range(1000)}).encode()
    with pytest.raises(InputError, match="and 995 more") as caught:
        parse_request(body, max_instances=1)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("instance", "message"),
    [("[" * 60 + "]" * 60, "nested too deeply"), ("[" + ",".join(["0"] * 200_001) + "]", "more than 200,000 values")],
)
def test_what_no_model_should_walk_through_is_refused(instance: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_request(f'{{"instances": [{instance}]}}'.encode(), max_instances=1)

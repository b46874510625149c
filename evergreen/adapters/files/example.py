"""TensorFlow's Example records without TensorFlow: `{"image": [b"…"], "image_shape": array([128, 128, 3])}`.

The message, in Protocol Buffers' own terms:

    Example { Features features = 1; }          Features { map<string, Feature> feature = 1; }
    Feature { oneof { BytesList = 1; FloatList = 2; Int64List = 3; } }, each with `repeated … value = 1`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Feature = list[bytes] | np.ndarray[Any, np.dtype[Any]]
"""Bytes, (values,) float32 or (values,) int64."""

_VARINT, _EIGHT_BYTES, _DELIMITED, _FOUR_BYTES = 0, 1, 2, 5


def parse_example(record: bytes) -> dict[str, Feature]:
    """Features by name; those without a value are left out. Raises ValueError for bytes that are no Example."""
    found = {}
    for features in _members(memoryview(record), 1):
        for entry in _members(features, 1):
            name = b"".join(bytes(one) for one in _members(entry, 1)).decode("utf-8")
            for feature in _members(entry, 2):
                values = _values(feature)
                if len(values):
                    found[name] = values
    return found


def _members(message: memoryview, number: int) -> Iterator[memoryview]:
    """The delimited fields of that number."""
    for found, wire, value in _fields(message):
        if found == number:
            if wire != _DELIMITED:
                raise ValueError(f"field {number} has wire type {wire}")
            yield value


def _values(feature: memoryview) -> Feature:
    for number, wire, content in _fields(feature):
        if wire != _DELIMITED or number not in (1, 2, 3):
            raise ValueError(f"a feature holds field {number} of wire type {wire}")
        if number == 1:
            return [bytes(one) for one in _members(content, 1)]
        packed = b"".join(_packed(content, _FOUR_BYTES if number == 2 else _VARINT))
        return np.frombuffer(packed, "<f4") if number == 2 else _integers(packed)
    return []


def _packed(message: memoryview, alone: int) -> Iterator[bytes]:
    """The bytes of a list's numbers: packed, or one by one as old writers have them."""
    for _, wire, value in _fields(message):
        if wire == _DELIMITED:
            yield bytes(value)
        elif wire == alone:
            yield _varint_bytes(value) if wire == _VARINT else bytes(value)
        else:
            raise ValueError(f"a list of numbers has wire type {wire}")


def _integers(packed: bytes) -> Feature:
    if packed.isascii():  # a number under 128 is its own byte, as all classes of most masks are
        return np.frombuffer(packed, np.uint8).astype(np.int64)
    values, place, view = [], 0, memoryview(packed)
    while place < len(view):
        value, place = _varint(view, place)
        values.append(value)
    return np.array(values, dtype=np.uint64).astype(np.int64)


def _fields(message: memoryview) -> Iterator[tuple[int, int, Any]]:
    """Number, wire type and value of each field: a number for a varint, otherwise its bytes."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        wire = key & 7
        if wire == _VARINT:
            value, place = _varint(message, place)
            yield key >> 3, wire, value
            continue
        if wire == _DELIMITED:
            length, place = _varint(message, place)
        elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if wire == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"unknown wire type {wire}")
        if place + length > len(message):
            raise ValueError("a field ends behind the record")
        yield key >> 3, wire, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        if place >= len(message) or shift > 63:
            raise ValueError("a number is cut off")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, place
        shift += 7


def _varint_bytes(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])

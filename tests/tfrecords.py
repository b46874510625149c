"""TFRecord files written with the official Protocol Buffers library, for tests."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Values = bytes | str | list[bytes] | list[float] | list[int]

_LISTS = {"BytesList": "TYPE_BYTES", "FloatList": "TYPE_FLOAT", "Int64List": "TYPE_INT64"}


@cache
def example_type() -> Any:
    """The message type tensorflow.Example, declared as in TensorFlow's own files."""
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="t", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    for name, kind in _LISTS.items():
        file.message_type.add(name=name).field.add(
            name="value", number=1, label=field.LABEL_REPEATED, type=getattr(field, kind)
        )
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(_LISTS, start=1):
        feature.field.add(
            name=name, number=number, label=1, type=field.TYPE_MESSAGE, type_name=f".t.{name}", oneof_index=0
        )
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry", options=descriptor_pb2.MessageOptions(map_entry=True))
    entry.field.add(name="key", number=1, label=1, type=field.TYPE_STRING)
    entry.field.add(name="value", number=2, label=1, type=field.TYPE_MESSAGE, type_name=".t.Feature")
    features.field.add(name="feature", number=1, label=3, type=field.TYPE_MESSAGE, type_name=".t.Features.FeatureEntry")
    example = file.message_type.add(name="Example")
    example.field.add(name="features", number=1, label=1, type=field.TYPE_MESSAGE, type_name=".t.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Example"))


def example(features: Mapping[str, Values]) -> bytes:
    """The serialised Example: bytes, text, and lists of bytes, of int or of float."""
    message = example_type()()
    for name, values in features.items():
        listed: Any = [values.encode()] if isinstance(values, str) else values
        listed = [listed] if isinstance(listed, bytes) else listed
        kind = {bytes: "BytesList", int: "Int64List", float: "FloatList"}[type(listed[0])]
        getattr(message.features.feature[name], kind).value.extend(listed)
    content: bytes = message.SerializeToString(deterministic=True)
    return content


def write(path: Path, records: Iterable[bytes]) -> Path:
    """A TFRecord file of the records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(framed(records))
    return path


def framed(records: Iterable[bytes]) -> bytes:
    """The records as a TFRecord file holds them."""

    def masked(content: bytes) -> bytes:
        crc = google_crc32c.value(content)
        return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)

    parts = []
    for record in records:
        length = struct.pack("<Q", len(record))
        parts += [length, masked(length), record, masked(record)]
    return b"".join(parts)

"""TFRecord shards of pictures and masks, without TensorFlow.

Each record is an Example with the features `image`, `image_shape`, `label`, `label_shape`: encoded PNG or JPEG, raw
bytes of uint8 or float32, or lists of numbers. `val-00-32.tfrec` may give the split by its name. In Protocol Buffers'
own terms it is

    Example { Features features = 1; }          Features { map<string, Feature> feature = 1; }
    Feature { oneof { BytesList = 1; FloatList = 2; Int64List = 3; } }, each with `repeated … value = 1`
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from evergreen.adapters.files.decoding import open_bytes
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.data.columns import ROW_NAME
from evergreen.data.given import SPELLINGS, split_of_name
from evergreen.data.pictures import encode_png
from evergreen.data.row_fields import PICTURE_COLUMNS, check_columns

if TYPE_CHECKING:
    import pyarrow as pa

SPLIT = "split"
_BATCH_ROWS = 256
_BATCH_BYTES = 16 << 20
_MOST_RECORD_BYTES = 1 << 30
_CRC_DELTA = 0xA282EAD8
_ENCODED = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_WHOLE = 1e-3
Feature = list[bytes] | np.ndarray[Any, np.dtype[Any]]
"""Bytes, (values,) float32 or (values,) int64."""

_VARINT, _EIGHT_BYTES, _DELIMITED, _FOUR_BYTES = 0, 1, 2, 5


def read_tfrecord(path: Path, name: str, settings: FilesSettings) -> Iterator[pa.RecordBatch]:
    """Batches of the needed columns, and each row's name, `<file>:<record>`, counted from 1.

    `split`, unless a feature has that name, is what the file's name begins with.

    Raises:
        InputError: a damaged file or record, a missing feature, or one whose values are no pixels.
    """
    import pyarrow as pa

    canonical = {column: name for name, columns in settings.parts.items() for column in columns}
    with open_bytes(path) as file:
        rows: list[dict[str, Any]] = []
        size = 0
        for number, record in enumerate(_records(file, name), start=1):
            where = f"{name}:{number}"
            features = _features(record, where)
            if number == 1:
                check_columns(settings, [*features, *({SPLIT} - features.keys())], name)
            values = _Values(features, where, settings.round_masks)
            rows.append(
                {column: values.of(canonical[column], column) for column in settings.needed} | {ROW_NAME: where}
            )
            size += len(record)
            if len(rows) == _BATCH_ROWS or size >= _BATCH_BYTES:
                yield pa.RecordBatch.from_pylist(rows)
                rows, size = [], 0
        if rows:
            yield pa.RecordBatch.from_pylist(rows)


@dataclass(frozen=True)
class _Values:
    """The values of one record's features; `where` names it."""

    features: dict[str, Feature]
    where: str
    round_masks: bool

    def of(self, canonical: str, column: str) -> bytes | str | int | float | None:
        """What the column holds: encoded pixels for `image` and `mask`; None where the feature has no value."""
        feature = self.features.get(column)
        if feature is None:
            return self._split() if canonical == SPLIT else None
        if canonical in PICTURE_COLUMNS:
            return self._pixels(canonical, column, feature)
        if len(feature) != 1:
            raise InputError(f"feature '{column}' of record {self.where} has {len(feature)} values; map one with one")
        value = feature[0]
        text: str | int | float = value.decode("utf-8", "replace") if isinstance(value, bytes) else value.item()
        return text

    def _split(self) -> str:
        split = split_of_name(self.where)
        if split is None:
            raise InputError(
                f"the name {self.where.rpartition(':')[0]} begins with no split (such as {', '.join(SPELLINGS)}); "
                "rename the file, or map no source.columns.split"
            )
        return split

    def _pixels(self, canonical: str, column: str, feature: Feature) -> bytes:
        """PNG or JPEG as it is; numbers as the PNG of their array."""
        numbers: Any = feature
        if isinstance(feature, list):
            content = feature[0]
            if content.startswith(_ENCODED) or f"{column}_shape" not in self.features:
                return content  # what is no picture is told by validation
            count = int(np.prod(self._shape(column)))
            kinds: dict[int, Any] = {count: np.dtype(np.uint8), 4 * count: np.dtype("<f4")}
            if len(content) not in kinds:
                raise self._error(column, f"has {len(content):,} bytes for {count:,} values", "uint8 or float32 each")
            numbers = np.frombuffer(content, kinds[len(content)])
        shape = self._shape(column)
        if numbers.size != np.prod(shape):
            raise self._error(column, f"has {numbers.size:,} values", f"{column}_shape {shape}")
        return encode_png(self._bytes(canonical, column, numbers).reshape(self._sides(canonical, column, shape)))

    def _shape(self, column: str) -> tuple[int, ...]:
        shape = self.features.get(f"{column}_shape")
        if shape is None or isinstance(shape, list):
            raise self._error(column, "is an array of unknown shape", f"the feature '{column}_shape' beside it")
        return tuple(int(side) for side in shape)

    def _sides(self, canonical: str, column: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Height and width, and for a picture of colours 3."""
        if len(shape) == 3 and shape[2] == 1:
            shape = shape[:2]
        if len(shape) not in ((2, 3) if canonical == "image" else (2,)) or shape[2:] not in ((), (3,)):
            raise self._error(
                column, f"has the shape {shape}", "(height, width, 3) for image, (height, width) for mask"
            )
        return shape

    def _bytes(self, canonical: str, column: str, values: Any) -> Any:
        """The values as uint8, refused where that would change what they say."""
        if values.size and (values.min() < 0 or values.max() > 255 or not np.isfinite(values).all()):
            raise self._error(column, f"has values from {values.min():g} to {values.max():g}", "0 to 255")
        rounded = np.rint(values)
        between = np.abs(values - rounded).max(initial=0) > _WHOLE
        if canonical == "image" and between and values.max() <= 1:
            raise self._error(column, "has values between 0 and 1: its pixels were scaled", "0 to 255")
        if canonical == "mask" and between and not self.round_masks:
            raise self._error(
                column,
                "has values between two classes: it was resized as if it were a picture",
                "whole numbers; write it again with nearest-neighbour, or set source.round_masks: true to take the "
                "nearest class",
            )
        return rounded.astype(np.uint8)

    def _error(self, column: str, got: str, allowed: str) -> InputError:
        return InputError(f"feature '{column}' of record {self.where} {got} (allowed: {allowed})")


def _features(record: bytes, where: str) -> dict[str, Feature]:
    try:
        return parse_example(record)
    except ValueError as error:
        raise InputError(f"record {where} is no tf.train.Example: {error}; write the file again") from error


def _records(file: IO[bytes], name: str) -> Iterator[bytes]:
    """The records, each checked: length, its checksum, content, its checksum."""
    number = 0
    while head := file.read(12):
        number += 1
        length = _checked(head, 8, name, number)
        (size,) = struct.unpack("<Q", length)
        if size > _MOST_RECORD_BYTES:
            raise InputError(f"record {name}:{number} has {size:,} bytes (allowed: {_MOST_RECORD_BYTES:,})")
        yield _checked(file.read(size + 4), size, name, number)
    if not number:
        raise InputError(f"{name} is empty; write it again, or leave it out")


def _checked(content: bytes, size: int, name: str, number: int) -> bytes:
    """The first `size` bytes. Raises InputError where the checksum behind them is another, or they are cut off."""
    import google_crc32c

    if len(content) < size + 4:
        raise InputError(f"record {name}:{number} is cut off; write the file again")
    crc = google_crc32c.value(content[:size])
    masked = ((crc >> 15 | crc << 17) + _CRC_DELTA) & 0xFFFF_FFFF
    if struct.unpack("<I", content[size : size + 4]) != (masked,):
        raise InputError(
            f"record {name}:{number} is damaged: its checksum does not fit; write the file again, or set source.format"
        )
    return content[:size]


def parse_example(record: bytes) -> dict[str, Feature]:
    """Features by name; those without a value are left out. Raises ValueError for bytes that are no Example."""
    features_by_name = {}
    for features in _members(memoryview(record), 1):
        for entry in _members(features, 1):
            name = b"".join(bytes(part) for part in _members(entry, 1)).decode("utf-8")
            for feature in _members(entry, 2):
                values = _values(feature)
                if len(values):
                    features_by_name[name] = values
    return features_by_name


def _members(message: memoryview, number: int) -> Iterator[memoryview]:
    """The delimited fields of that number."""
    for field, wire, value in _fields(message):
        if field == number:
            if wire != _DELIMITED:
                raise ValueError(f"field {number} has wire type {wire}")
            yield value


def _values(feature: memoryview) -> Feature:
    for number, wire, content in _fields(feature):
        if wire != _DELIMITED or number not in (1, 2, 3):
            raise ValueError(f"a feature holds field {number} of wire type {wire}")
        if number == 1:
            return [bytes(value) for value in _members(content, 1)]
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

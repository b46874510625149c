"""Generated dialects, encodings and schemas at the sources of texts: every row as it was, or an error that names it."""

from __future__ import annotations

import csv
import io
import json
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.adapters.files.rows import read_rows
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.members import source_of
from tests.generated import Rows, examples, outcome
from tests.rows import rows_of

ODD = [
    '"',
    '""',
    "'",
    ",",
    ";",
    "\t",
    "|",
    "\n",
    "\r\n",
    "\r",
    "\\",
    "sep=;",
    " ",
    "\u00a0",
    "\u2028",
    "\ufeff",
    "é",
    "e\u0301",
]
WORDS = st.sampled_from([*ODD, "a", "Oil", "7", "体育", "😀", "\x85", "null", "{", "#"])
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map("".join)
QUOTED = st.sampled_from(['"', '"a', 'a"', '"a"', 'a "b" c', '"a" b', "a", "b,c", 'd;"'])
LABELS = st.sampled_from(["sport", "money", "économie", "e\u0301conomie", "体育"])
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "gb18030"]


@dataclass(frozen=True)
class Written:
    """A file of delimited text: what was written and how, and what the source is told of it."""

    header: list[str]
    rows: list[list[str]]
    delimiter: str
    quoting: int
    escape: str | None
    line_end: str
    encoding: str
    separator_line: bool
    has_header: bool
    declared: bool

    @property
    def quotes_are_letters(self) -> bool:
        return self.quoting == csv.QUOTE_NONE

    def bytes(self) -> bytes:
        text = io.StringIO(newline="")
        if self.separator_line:
            text.write(f"sep={self.delimiter}{self.line_end}")
        writer = csv.writer(
            text,
            delimiter=self.delimiter,
            quoting=self.quoting,  # type: ignore[arg-type]
            quotechar=None if self.quotes_are_letters else '"',
            escapechar=self.escape,
            doublequote=self.escape is None,
            lineterminator=self.line_end,
        )
        writer.writerows([self.header, *self.rows] if self.has_header else self.rows)
        mark = "\ufeff" if self.encoding.endswith(("-le", "-be")) else ""
        return (mark + text.getvalue()).encode(self.encoding)

    def fields(self) -> dict[str, Any]:
        """What the source is told: all of the dialect, or nothing of quotes and escapes."""
        fields: dict[str, Any] = {"columns": {"text": "text", "label": "label", "region": "région"}}
        fields |= {} if self.separator_line else {"delimiter": self.delimiter}
        fields |= {"encoding": "gb18030"} if self.encoding == "gb18030" else {}
        if not self.has_header:
            fields |= {"header": False, "names": self.header}
        if self.declared:
            fields |= {"quoting": "none" if self.quotes_are_letters else "minimal", "escape": self.escape}
        return fields


@st.composite
def delimited(draw: st.DrawFn) -> Written:
    """Any dialect; unquoted text without escape holds no delimiter and no line end, since nothing could write it."""
    region = draw(st.sampled_from(["région", "re\u0301gion"]))
    more = draw(st.sampled_from([[], [], ["text"], ["n", "n"], ["with\nbreak"]]))
    header = list(draw(st.permutations(["text", "label", region, *more])))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE]))
    escape = draw(st.sampled_from([None, "\\"]))
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    texts = draw(st.sampled_from([TEXTS, QUOTED]))
    cells = {"text": texts, "label": LABELS}
    rows = draw(st.lists(st.tuples(*(cells.get(name, texts) for name in header)).map(list), min_size=1, max_size=7))
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    if quoting == csv.QUOTE_MINIMAL and any(end in cell for row in [header, *rows] for cell in row for end in "\r\n"):
        quoting = csv.QUOTE_ALL  # Python's writer leaves other line ends than its own without quotes
    declared = draw(st.booleans())
    if quoting == csv.QUOTE_NONE:  # nothing is escaped of which the source is not told: such lines are no rows
        unwritable = dict.fromkeys(map(ord, "\r\n" if escape and declared else f"\r\n{delimiter}"), " ")
        header, *rows = ([cell.translate(unwritable) for cell in row] for row in [header, *rows])
    return Written(
        header=header,
        rows=rows,
        delimiter=delimiter,
        quoting=quoting,
        escape=escape,
        line_end=line_end,
        encoding=draw(st.sampled_from(ENCODINGS)),
        separator_line=draw(st.booleans()),
        has_header=draw(st.booleans()) or len(set(header)) < len(header),
        declared=declared,
    )


def read_all(path: Path, fields: dict[str, Any], folder: Path) -> Rows:
    """What a training would read."""
    return rows_of(
        source_of(FilesSettings.model_validate({"path": str(path), **fields})).read(None, folder / "out").shards
    )


def nfc(text: str | None) -> str | None:
    return None if text is None else unicodedata.normalize("NFC", text)


def as_read(header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> Rows:
    named = [dict(zip(map(nfc, header), row, strict=True)) for row in rows]
    return [{"text": row["text"], "label": nfc(row["label"]), "region": row["région"]} for row in named]


def test_delimited_text_of_any_dialect_is_read_whole_or_refused(capsys: pytest.CaptureFixture[str]) -> None:
    counts: Counter[str] = Counter()

    @examples(0.5, 170)
    @given(delimited())
    def check(written: Written) -> None:
        with TemporaryDirectory() as name:
            folder = Path(name)
            path = folder / "news.csv"
            path.write_bytes(written.bytes())
            rows = outcome(lambda: read_all(path, written.fields(), folder), path, counts)
            once = len({nfc(key) for key in written.header}) == len(written.header) or "n" in written.header
            if written.declared and once:
                assert rows is not None, "a file that is described whole was refused"
            if rows is None:
                return
            assert once
            assert len(rows) >= len(written.rows), "rows were swallowed"
            if written.declared:
                assert [{key: row[key] for key in ("text", "label", "region")} for row in rows] == as_read(
                    written.header, written.rows
                )
            if "n" not in written.header:
                again = read_rows(path, FilesSettings.model_validate({"path": str(path), **written.fields()}))
                assert [row["text"] for row in again] == [row["text"] or "" for row in rows]

    check()
    with capsys.disabled():
        sys.stdout.write(f"\ndelimited text: {counts['read']} read, {counts['refused']} refused\n")


USUAL = st.one_of(TEXTS, st.none(), st.sampled_from([7, 2.5, True]))
UNUSABLE = st.sampled_from(["\ud83d", "a\udc00b", ["a"], {"a": 1}])


@st.composite
def json_lines(draw: st.DrawFn) -> tuple[list[list[str]], list[list[Any]], str, str]:
    """Keys of each line (some twice, accents spelt by the line), values, line end and encoding."""
    third = draw(st.sampled_from(["région", "région", "région", "text"]))
    order = draw(st.permutations(["text", "label", third]))
    values = draw(st.sampled_from([USUAL, USUAL, st.one_of(USUAL, UNUSABLE)]))
    rows = draw(st.lists(st.tuples(*[values] * 3).map(list), min_size=1, max_size=6))
    composed = draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    keys = [[unicodedata.normalize("NFC" if is_composed else "NFD", key) for key in order] for is_composed in composed]
    return keys, rows, draw(st.sampled_from(["\n", "\r\n"])), draw(st.sampled_from(ENCODINGS))


def test_json_lines_are_read_whole_or_refused(capsys: pytest.CaptureFixture[str]) -> None:
    counts: Counter[str] = Counter()

    def line(keys: list[str], row: list[Any], ascii_only: bool) -> str:
        pairs = [
            f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=ascii_only)}"
            for key, value in zip(keys, row, strict=True)
        ]
        return "{" + ", ".join(pairs) + "}"

    @examples(0.25, 90)
    @given(json_lines(), st.booleans())
    def check(lines: tuple[list[list[str]], list[list[Any]], str, str], ascii_only: bool) -> None:
        keys, rows, end, encoding = lines
        ascii_only |= any(
            isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value) for row in rows for value in row
        )
        usable = all(value is None or isinstance(value, str | int | float) for row in rows for value in row)
        plain = not any(
            isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value) for row in rows for value in row
        )
        good = len(set(keys[0])) == 3 and usable and plain
        with TemporaryDirectory() as name:
            folder = Path(name)
            path = folder / "news.jsonl"
            path.write_bytes(
                "".join(line(key, row, ascii_only) + end for key, row in zip(keys, rows, strict=True)).encode(encoding)
            )
            fields = {"columns": {"region": "région"}, "encoding": encoding.removesuffix("-sig")}
            read = outcome(lambda: read_all(path, fields, folder), path, counts)
            assert (read is not None) == good
            if read is None:
                return
            shown = [
                [value if value is None or isinstance(value, str) else json.dumps(value) for value in row]
                for row in rows
            ]
            expected = as_read(keys[0], shown)
            assert [{key: row[key] for key in ("text", "label", "region")} for row in read] == expected
            source = FilesSettings.model_validate({"path": str(path), **fields})
            raw = [dict(zip(key, row, strict=True)) for key, row in zip(keys, rows, strict=True)]
            assert raw == list(read_rows(path, source))

    check()
    with capsys.disabled():
        sys.stdout.write(f"JSON Lines: {counts['read']} read, {counts['refused']} refused\n")


KINDS = {
    "string": pa.string(),
    "large": pa.large_string(),
    "view": pa.string_view(),
    "binary": pa.binary(),
    "binary_view": pa.binary_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
}


@st.composite
def parquet(draw: st.DrawFn) -> tuple[list[str], list[str], list[list[str | None]], str]:
    """Names of columns (some twice), their kinds, their values by column, and what is wrong with them."""
    names = draw(st.permutations(["text", "label", draw(st.sampled_from(["région", "re\u0301gion"])), "at"]))
    kinds = [draw(st.sampled_from(sorted(KINDS))) for _ in names]
    count = draw(st.integers(1, 6))
    values = [
        draw(st.lists(st.one_of(TEXTS, st.none(), st.just("a\0b")), min_size=count, max_size=count)) for _ in names
    ]
    return list(names), kinds, values, draw(st.sampled_from(["", "", "bytes", "twice", "time"]))


def array_of(kind: str, values: list[str | None], broken: bool) -> pa.Array:
    """The values in that type; where they are broken the last has a byte of Latin-1."""
    content = [None if text is None else text.encode() for text in values]
    if broken:
        content[-1] = b"caf\xe9"
    if kind in ("binary", "binary_view"):
        return pa.array(content, KINDS[kind])
    raw = pa.array(content, pa.binary())
    strings = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    if kind == "view" and broken:  # a cast checks
        return strings
    return strings.dictionary_encode() if kind == "dictionary" else strings.cast(KINDS[kind])


def test_parquet_of_any_schema_is_read_whole_or_refused(capsys: pytest.CaptureFixture[str]) -> None:
    counts: Counter[str] = Counter()

    @examples(0.25, 90)
    @given(parquet())
    def check(table: tuple[list[str], list[str], list[list[str | None]], str]) -> None:
        names, kinds, values, wrong = table
        arrays = [
            array_of(kind, column, wrong == "bytes" and name == "text")
            for name, kind, column in zip(names, kinds, values, strict=True)
        ]
        at = names.index("at")
        seconds = [400_000_000_000 if wrong == "time" else 1_700_000_000] * len(values[0])
        arrays[at] = pa.array(seconds, pa.timestamp("s"))
        if wrong == "twice":
            names, arrays = [*names, "text"], [*arrays, arrays[0]]
        with TemporaryDirectory() as name:
            folder = Path(name)
            path = folder / "news.parquet"
            stored = pa.Table.from_arrays(arrays, names)
            pq.write_table(stored, path, row_group_size=2, coerce_timestamps=None)
            fields = {"columns": {"region": "région", "timestamp": "at"}}
            read = outcome(lambda: read_all(path, fields, folder), path, counts)
            assert (read is None) == (wrong != "")
            if read is None:
                return
            shown = [list(row) for row in zip(*values, strict=True)]
            expected = as_read(names, shown)
            given_region = [
                row["region"].decode() if isinstance(row["region"], bytes) else row["region"] for row in read
            ]
            assert [(row["text"], row["label"]) for row in read] == [(row["text"], row["label"]) for row in expected]
            assert given_region == [row["region"] for row in expected]

    check()
    with capsys.disabled():
        sys.stdout.write(f"Parquet: {counts['read']} read, {counts['refused']} refused\n")

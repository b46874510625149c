import bz2
import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter, ValidationError

from evergreen.adapters.files import decoding, delimited
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.kinds import AnySource
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from tests.rows import rows_of

GOAL = {"id": "news.csv:1", "text": "A late, late goal\nwon it.", "label": "Sports"}


def read(path: Path | str, out_dir: Path, **fields: Any) -> list[dict[str, Any]]:
    return rows_of(source_of(FilesSettings(path=str(path), **fields)).read(None, out_dir).shards)


def write_csv(path: Path, rows: list[list[str]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_fields_may_hold_delimiters_quotes_and_line_breaks(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = 'Café; "quoted", a|b\tc,\nnext line'
    path = write_csv(tmp_path / "news.csv", [["label", "text"], ["Food", text], ["Food", "b"]], delimiter, encoding)
    configured = "utf-8" if encoding == "utf-8-sig" else encoding
    rows = read(path, tmp_path / "out", delimiter=delimiter, encoding=configured)
    assert rows == [
        {"id": "news.csv:1", "text": text, "label": "Food"},
        {"id": "news.csv:2", "text": "b", "label": "Food"},
    ]


def test_a_tsv_needs_no_delimiter(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "news.tsv", [["text", "label"], ["a", "x"]], "\t")
    assert read(path, tmp_path / "out")[0]["label"] == "x"


def test_words_that_some_readers_take_for_null_stay_words_and_empty_fields_are_null(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "n.csv", [["text", "label"], ["NA", "None"], ["null", "007"], ["", "x"]])
    rows = read(path, tmp_path / "out")
    assert [(row["text"], row["label"]) for row in rows] == [("NA", "None"), ("null", "007"), (None, "x")]


def test_every_row_of_a_csv_of_many_blocks_is_read_once(tmp_path: Path) -> None:
    rows = [[f"{number} " + "word " * 60, "x"] for number in range(12_000)]
    path = write_csv(tmp_path / "n.csv", [["text", "label"], *rows])
    assert path.stat().st_size > 3 << 20
    assert [row["text"] for row in read(path, tmp_path / "out")] == [row[0] for row in rows]


@pytest.mark.parametrize("before", [0, 6_000])
def test_a_text_longer_than_a_block_is_read_and_no_row_before_it_twice(tmp_path: Path, before: int) -> None:
    rows = [[f"{number} " + "word " * 60, "x"] for number in range(before)] + [["long " * 500_000, "x"], ["end", "x"]]
    path = write_csv(tmp_path / "n.csv", [["text", "label"], *rows])
    assert [row["text"] for row in read(path, tmp_path / "out")] == [row[0] for row in rows]


def test_compressed_files_are_read_like_others(tmp_path: Path) -> None:
    (tmp_path / "n.csv.gz").write_bytes(gzip.compress(b"text,label\na,x\n"))
    (tmp_path / "n.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a", "label": "x"}\n'))
    for name in ("n.csv.gz", "n.jsonl.gz"):
        assert read(tmp_path / name, tmp_path / "out") == [{"id": f"{name}:1", "text": "a", "label": "x"}]


def test_the_case_of_a_suffix_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "N.CSV.GZ").write_bytes(gzip.compress(b"text,label\na,x\n"))
    assert read(tmp_path / "N.CSV.GZ", tmp_path / "out") == [{"id": "N.CSV.GZ:1", "text": "a", "label": "x"}]


WHOLE = {
    "n.csv.gz": gzip.compress(b"text,label\n" + b"".join(b"%d a word,x\n" % n for n in range(5_000))),
    "n.jsonl.gz": gzip.compress(b"".join(b'{"text": "%d", "label": "x"}\n' % n for n in range(5_000))),
}


@pytest.mark.parametrize("fields", [{}, {"fallback_encoding": "cp1252"}])
@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("damage", ["cut", "no gzip", "checksum"])
def test_a_damaged_gzip_file_is_an_error_that_names_it(
    tmp_path: Path, name: str, damage: str, fields: dict[str, str]
) -> None:
    whole = WHOLE[name]
    content = {"cut": whole[:-2_000], "no gzip": gzip.decompress(whole), "checksum": whole[:-8] + b"12345678"}[damage]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} is no whole gzip file: .*write it again, or name it without \.gz"):
        read(tmp_path / name, tmp_path / "out", **fields)
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (gzip.compress(b"text,label\n"), "gzip, by its first bytes; name it with .gz"),
        (b"PK\x03\x04\x14\x00", "a zip archive or a workbook of Excel, .*; unpack it, or save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", r"a workbook of Excel \(.xls\), .*; save the sheet as CSV"),
        (b"PAR1\x15\x04\x15", "Parquet, by its first bytes; name it with .parquet"),
        (b"ARROW1\0\0\xff\xff", "Arrow, by its first bytes; write it as Parquet"),
        (bz2.compress(b"text,label\n"), "bzip2, by its first bytes; unpack it"),
        (b"%PDF-1.7", "PDF"),
    ],
)
@pytest.mark.parametrize("name", ["n.csv", "n.tsv", "n.jsonl", "n.csv.gz"])
@pytest.mark.parametrize("fields", [{}, {"fallback_encoding": "latin-1"}])
def test_a_file_that_is_no_text_whatever_its_name_is_told_by_its_first_bytes(
    tmp_path: Path, head: bytes, what: str, name: str, fields: dict[str, str]
) -> None:
    content = head + bytes(range(256))
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with pytest.raises(InputError, match=rf"{name} is no text but {what}"):
        read(tmp_path / name, tmp_path / "out", **fields)


@pytest.mark.parametrize("column", ["PAR1", "ARROW1", "BZhash", "BZh9", "PK"])
def test_a_column_is_no_kind_of_file(tmp_path: Path, column: str) -> None:
    write_csv(tmp_path / "n.csv", [[column, "text", "label"], ["1", "a", "x"]])
    assert [row["text"] for row in read(tmp_path / "n.csv", tmp_path / "out")] == ["a"]


def test_a_file_that_cannot_be_opened_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_csv(tmp_path / "n.csv", [["text", "label"], ["a", "x"]])

    def refuse(path: Path, *_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)  # a superuser's tests would be let in
    for act in (lambda: source_of(FilesSettings(path=str(path))).identity(None), lambda: read(path, tmp_path / "out")):
        with pytest.raises(InputError, match=r"n\.csv cannot be read: .*Permission denied.*; check the file"):
            act()


def test_binary_files_are_not_searched_for_an_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"text": ["a"], "label": ["x"]}), tmp_path / "n.parquet")

    def refuse(path: Path, _: str) -> bool:
        raise AssertionError(f"{path.name} was decoded")

    monkeypatch.setattr("evergreen.adapters.files.decoding.decodes", refuse)
    assert len(read(tmp_path / "n.parquet", tmp_path / "out", fallback_encoding="cp1252")) == 1


def test_jsonl_rows_are_named_by_line_and_numbers_become_text(tmp_path: Path) -> None:
    lines = ['{"text": "a", "label": 1, "extra": [1]}', "", '{"text": "b", "label": null}', '{"text": "c"}']
    (tmp_path / "n.jsonl").write_text("\n".join(lines))
    assert read(tmp_path / "n.jsonl", tmp_path / "out") == [
        {"id": "n.jsonl:1", "text": "a", "label": "1"},
        {"id": "n.jsonl:3", "text": "b", "label": None},
        {"id": "n.jsonl:4", "text": "c", "label": None},
    ]


def test_parquet_keeps_the_type_of_further_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "label": [3], "words": [120]}), tmp_path / "n.parquet")
    rows = read(tmp_path / "n.parquet", tmp_path / "out", columns={"words": "words"})
    assert rows == [{"id": "n.parquet:1", "text": "a", "label": "3", "words": 120}]


def test_text_folders_take_the_label_from_the_folder(tmp_path: Path) -> None:
    for name in ("sports/2", "sports/10", "world/1"):
        (tmp_path / "news" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "news" / f"{name}.txt").write_text(f"text of {name}")
    (tmp_path / "news" / "README.md").write_text("about")
    rows = read(tmp_path / "news", tmp_path / "out")
    assert [(row["id"], row["label"]) for row in rows] == [
        ("sports/10", "sports"),
        ("sports/2", "sports"),
        ("world/1", "world"),
    ]
    assert rows[2]["text"] == "text of world/1"


def test_one_file_in_another_encoding_is_read_with_the_fallback(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.txt").write_bytes("£5".encode())
    (tmp_path / "a" / "2.txt").write_bytes("£6".encode("cp1252"))
    rows = read(tmp_path, tmp_path / "out", fallback_encoding="cp1252")
    assert [row["text"] for row in rows] == ["£5", "£6"]


@pytest.mark.parametrize("pattern", ["{root}", "{root}/**/*.csv", "{root}/*/news-?.csv"])
def test_a_folder_or_a_glob_reads_all_files_in_order_of_their_names(tmp_path: Path, pattern: str) -> None:
    root = tmp_path / "data"
    for name in ("b/news-1.csv", "a/news-2.csv"):
        write_csv(root / name, [["text", "label"], [name, "x"]])
    (root / "a" / "_SUCCESS").touch()
    (root / "a" / ".hidden.csv").write_text("no")
    rows = read(pattern.format(root=root), tmp_path / "out")
    assert [row["id"] for row in rows] == ["a/news-2.csv:1", "b/news-1.csv:1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"n\.csv is empty"),
        (b"text,label\n", "no rows in"),
        (
            b"text;label\na;x\n",
            r"one column with delimiter ',': 'text;label'; did you mean ';'\? set source\.delimiter",
        ),
        (b"text\tlabel\na\tx\n", r"did you mean '\\t'\?"),
        (
            b"content,label\na,x\n",
            r"column 'text' missing from n\.csv \(has: 'content', 'label'\); set source\.columns\.text",
        ),
        (b"text,text,label\na,b,x\n", r"has 2 columns 'text'; rename"),
        (b"text,label\na,x\nb,x,y\n", r"n\.csv is no CSV: .*Expected 2 columns, got 3"),
        (b'text,label\n"a,x\nb,x\n', r"n\.csv is no CSV|quote"),
        (
            b"text,label\nok,x\ncaf\xe9,x\n",
            r"n\.csv is not utf-8: byte 0xe9 at position 19 \(line 3\); set source\.encoding: cp1252",
        ),
        (b"text,label\xe9\nok,x\n", r"not utf-8: byte 0xe9 at position 10 \(line 1\)"),
        (b"word" * 40_000 + b"\na,x\n", r"n\.csv has no header that can be read: .*; give it a first line of column"),
        (b"text,label\ncaf\x81\xe9,x\n", r"set source\.encoding: latin-1"),
    ],
)
def test_a_broken_csv_is_an_error_that_says_what_to_do(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "n.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "n.csv", tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_the_place_of_a_broken_byte_is_right_beyond_the_first_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_BLOCK_BYTES", 1024)
    head = ("text,label\n" + "é" * 501 + "a word,x\n" * 500).encode()  # the first block ends within a character
    (tmp_path / "n.csv").write_bytes(head + b"caf\xe9 noir,x\n")
    expected = rf"position {len(head) + 3} \(line 502\)"
    with pytest.raises(InputError, match=expected):
        read(tmp_path / "n.csv", tmp_path / "out")


@pytest.mark.parametrize("longest", [1_000, decoding.LONGEST_FIELD], ids=["longer than any field", "to the end"])
def test_a_quote_that_is_never_closed_is_suspected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longest: int
) -> None:
    monkeypatch.setattr(delimited, "LONGEST_FIELD", longest)
    (tmp_path / "n.csv").write_text('text,label\n"a,x\n' + "b,x\n" * 2_500)
    with pytest.raises(InputError, match=r"n\.csv is no CSV: .*: a quote is not closed; correct the row, its quotes"):
        read(tmp_path / "n.csv", tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"n\.jsonl is empty"),
        ('{"text": "a", "label": "x"}\n{"text": ', r"n\.jsonl:2 is not JSON: .*; write one JSON object a line"),
        ("[" * 200_000, r"n\.jsonl:1 is nested too deeply"),
        ('["a"]\n', r"n\.jsonl:1 holds a list, not an object"),
        ('\n{"body": "a", "label": "x"}\n', r"column 'text' missing from n\.jsonl \(has: 'body', 'label'\)"),
        ('{"text": ["a"], "label": "x"}\n', r"'text' of row n\.jsonl:1 holds a list, not text"),
    ],
)
def test_broken_jsonl_is_an_error_that_names_the_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "n.jsonl").write_text(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "n.jsonl", tmp_path / "out")


def test_undecodable_jsonl_and_text_folders_name_file_and_byte(tmp_path: Path) -> None:
    (tmp_path / "n.jsonl").write_bytes(b'{"text": "caf\xe9", "label": "x"}\n')
    with pytest.raises(InputError, match=r"n\.jsonl is not utf-8: byte 0xe9 at position 13 \(line 1\)"):
        read(tmp_path / "n.jsonl", tmp_path / "out")
    (tmp_path / "f" / "a").mkdir(parents=True)
    (tmp_path / "f" / "a" / "1.txt").write_bytes(b"one\ntwo \xa3")
    with pytest.raises(InputError, match=r"a/1\.txt is not utf-8: byte 0xa3 at position 8 \(line 2\)"):
        read(tmp_path / "f", tmp_path / "out")


def test_a_cut_off_parquet_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "label": ["x"]}), tmp_path / "n.parquet")
    (tmp_path / "n.parquet").write_bytes((tmp_path / "n.parquet").read_bytes()[:-9])
    with pytest.raises(InputError, match=r"n\.parquet is no whole Parquet file"):
        read(tmp_path / "n.parquet", tmp_path / "out")


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("missing.csv", {}, r"no file or folder '.*missing\.csv' \(looked in .*\); set source\.path"),
        ("part-*.csv", {}, r"no file matches '.*part-\*\.csv'"),
        ("mixed", {}, r"holds several formats \(csv, jsonl\); set source\.format"),
        ("docs", {}, "nothing readable in"),
        ("mixed", {"format": "parquet"}, "nothing readable in"),
        ("mixed", {"format": "text_folders"}, "no text folders in"),
    ],
)
def test_files_that_are_not_there_are_an_error(tmp_path: Path, path: str, fields: dict[str, str], message: str) -> None:
    write_csv(tmp_path / "mixed" / "a.csv", [["text", "label"], ["a", "x"]])
    (tmp_path / "mixed" / "b.jsonl").write_text(json.dumps({"text": "a", "label": "x"}))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "notes.pdf").touch()
    source = FilesSettings.model_validate({"path": str(tmp_path / path), **fields})
    with pytest.raises(InputError, match=message):
        source_of(source).identity(None)
    with pytest.raises(InputError, match=message):
        source_of(source).read(None, tmp_path / "out")


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("data/newz.csv", "news.csv"),
        ("dta/news.csv", "data"),
        ("dta/*.csv", "data"),
        ("data/weather.csv", None),
        ("data/*.jsonl", None),
        ("data/sucess", None),
    ],
)
def test_a_mistyped_path_is_told_with_the_nearest_name_that_is_there(
    tmp_path: Path, path: str, near: str | None
) -> None:
    (tmp_path / "data").mkdir()
    for name in ("news.csv", "pictures.zip", "_SUCCESS"):
        (tmp_path / "data" / name).touch()
    with pytest.raises(InputError, match=r"^no file") as caught:
        source_of(FilesSettings(path=str(tmp_path / path))).identity(None)
    assert (f"(did you mean '{near}'?)" in str(caught.value)) == (near is not None)
    assert ("did you mean" in str(caught.value)) == (near is not None)


@pytest.mark.parametrize("path", ["https://news.example/rows.csv", "s3://news/rows.csv", "HTTP://news.example/a"])
@pytest.mark.parametrize("field", ["path", "masks"])
def test_an_address_of_the_web_is_no_path(path: str, field: str) -> None:
    given = {"kind": "files", "format": "image_folders", "path": "pictures", "columns": {}, field: path}
    with pytest.raises(ValidationError, match=r"should be a file, a folder or a pattern .* is downloaded first, got"):
        TypeAdapter(AnySource).validate_python(given)
    places = {"path": "gs://news/rows", "masks": "data/a:b/c"}
    assert TypeAdapter(AnySource).validate_python({**given, **places})


def test_identity_follows_names_bytes_and_fields_and_not_the_place(tmp_path: Path) -> None:
    for place in ("one", "two"):
        write_csv(tmp_path / place / "n.csv", [["text", "label"], ["a", "x"]])

    def fingerprint(place: str, **fields: Any) -> str:
        return source_of(FilesSettings(path=str(tmp_path / place), **fields)).identity(None).fingerprint

    same = fingerprint("one")
    assert fingerprint("two") == same
    assert fingerprint("one", columns={"text": "label"}) != same
    assert fingerprint("one", label_names={"x": "X"}) != same
    (tmp_path / "two" / "n.csv").write_text("text,label\na,y\n")
    assert fingerprint("two") != same


def test_reading_twice_gives_equal_checksums(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "n.csv", [["text", "label"], *([str(n), "x"] for n in range(100))])
    first, second = (source_of(FilesSettings(path=str(path))).read(None, tmp_path / out) for out in ("one", "two"))
    assert first.manifest == second.manifest


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"encoding": "utf9"}, "unknown text encoding 'utf9'"),
        ({"encoding": "rot13"}, "unknown text encoding 'rot13'"),
        ({"fallback_encoding": "hex"}, "unknown text encoding 'hex'"),
        ({"delimiter": ";;"}, "is not one character"),
        ({"format": "xlsx"}, "csv"),
        ({"colums": {}}, "colums"),
    ],
)
def test_configuration_mistakes_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(AnySource).validate_python({"kind": "files", "path": "n.csv", **fields})


def test_an_unknown_kind_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValidationError, match="'files', 'huggingface'"):
        TypeAdapter(AnySource).validate_python({"kind": "ftp", "path": "n.csv"})

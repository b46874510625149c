"""Delimited text as people bring it: quotes that are letters, headers of several lines, byte order marks."""

from __future__ import annotations

import codecs
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from evergreen.adapters.files import decoding
from evergreen.adapters.files.parquet import read_parquet
from evergreen.adapters.files.rows import read_rows
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.source import FilesSource
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from tests.rows import rows_of

NFD = unicodedata.normalize("NFD", "économie")


def read(path: Path, **fields: Any) -> list[dict[str, Any]]:
    return rows_of(
        source_of(FilesSettings.model_validate({"path": str(path), **fields})).read(None, path.parent / "out").shards
    )


def written(tmp_path: Path, content: str | bytes, name: str = "n.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def unquoted(texts: list[str]) -> str:
    return "".join(f"{number}\t{text}\tx\n" for number, text in enumerate(texts))


@pytest.mark.parametrize(
    "texts",
    [
        ['"Rates rise', "b", '"Banks fall', "d"],
        ['"Rates rise', "b", 'they said"', "d"],
        ["a", '"', "b", '"'],
        ['"', '"'],
        ["a", '"b', "c"],
    ],
)
def test_quotes_that_are_letters_never_swallow_rows(tmp_path: Path, texts: list[str]) -> None:
    path = written(tmp_path, "id\ttext\tlabel\n" + unquoted(texts), "n.tsv")
    first = next(number for number, text in enumerate(texts, start=1) if text.startswith('"'))
    with pytest.raises(InputError, match=rf"n\.tsv:{first} \(line {first + 1}\): .*source\.quoting: none"):
        read(path)
    assert [row["text"] for row in read(path, quoting="none")] == texts
    with pytest.raises(InputError, match=r"source\.quoting: none"):
        list(read_rows(path, FilesSettings(path=str(path))))


def test_a_quoted_text_whose_lines_look_like_rows_is_read_where_the_file_shows_its_quoting(tmp_path: Path) -> None:
    doubtful = 'text,label\n"Dear Sir, hello\nyours A",x\n'
    with pytest.raises(InputError, match=r"rows of their own if quotes are letters; set source\.quoting"):
        read(written(tmp_path, doubtful))
    assert len(read(written(tmp_path, doubtful), quoting="minimal")) == 1
    proven = doubtful + '"one, two, three",x\n"so ""they"" said",x\n'
    assert read(written(tmp_path, proven))[0]["text"] == "Dear Sir, hello\nyours A"


ROWS = [f"{('law', 'money')[number % 3 == 0]},rates {number} rise" for number in range(40)]


@pytest.mark.parametrize(
    ("opens", "closes"), [(10, 11), (10, 12), (10, 35)], ids=["over two rows", "over three", "over many"]
)
@pytest.mark.parametrize("proof", ['"label","text"', 'label,text\nlaw,"a, b"\nlaw,"c, d"\nmoney,"so ""they"" said"'])
def test_rows_are_never_swallowed_whatever_else_of_the_file_is_quoted(
    tmp_path: Path, proof: str, opens: int, closes: int
) -> None:
    rows = list(ROWS)
    rows[opens] = rows[opens].replace(",", ',"')
    rows[closes] += '"'
    first = opens + 1 + proof.count("\n")
    path = written(tmp_path, "\n".join([proof, *rows, ""]))
    with pytest.raises(InputError, match=rf"n\.csv:{first} .*source\.quoting: none"):
        read(path)
    with pytest.raises(InputError, match=rf"n\.csv:{first} .*source\.quoting: none"):
        list(read_rows(path, FilesSettings(path=str(path))))


def test_an_escape_stands_before_quotes_and_delimiters(tmp_path: Path) -> None:
    path = written(tmp_path, 'text,label\n"He said \\"no\\", twice",x\nplain\\, too,x\n')
    with pytest.raises(InputError, match=r"source\.escape"):
        read(path)
    assert [row["text"] for row in read(path, escape="\\")] == ['He said "no", twice', "plain, too"]


def test_a_file_without_a_header_has_names(tmp_path: Path) -> None:
    path = written(tmp_path, "x,a\ny,b\n")
    rows = read(path, header=False, names=["label", "text"])
    assert [(row["id"], row["text"], row["label"]) for row in rows] == [("n.csv:1", "a", "x"), ("n.csv:2", "b", "y")]
    with pytest.raises(InputError, match="Expected 3 columns, got 2"):
        read(path, header=False, names=["label", "text", "more"])


@pytest.mark.parametrize("line", ["sep=;\n", '"sep=;"\r\n', "SEP=;\n"])
def test_the_first_line_of_excel_says_the_delimiter(tmp_path: Path, line: str) -> None:
    path = written(tmp_path, f"{line}text;label\na,b;x\n")
    assert read(path)[0]["text"] == "a,b"
    with pytest.raises(InputError, match=r"n\.csv says 'sep=;'|'\"sep=;\"'|'SEP=;'"):
        read(path, delimiter=",")


@pytest.mark.parametrize("column", ["text\n(English)", "text"])
def test_names_of_columns_may_have_line_breaks(tmp_path: Path, column: str) -> None:
    path = written(tmp_path, 'id,"text\n(English)",text,"label"\n1,a,b,x\n')
    assert read(path, columns={"text": column})[0]["text"] == ("a" if "\n" in column else "b")


def test_spaces_around_names_show_and_the_nearest_is_offered(tmp_path: Path) -> None:
    path = written(tmp_path, "id, text, label\n1,a,x\n")
    with pytest.raises(InputError, match=r"'text' \(did you mean ' text'\?\).*\(has: 'id', ' text', ' label'\)"):
        read(path)
    assert read(path, columns={"text": " text", "label": " label"})[0]["text"] == "a"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("name", ["n.csv", "n.jsonl"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str, name: str) -> None:
    text = "text,label\n体育 é,x\n" if name == "n.csv" else '{"text": "体育 é", "label": "x"}\n'
    path = written(tmp_path, ("\ufeff" + text).encode(encoding), name)
    assert read(path)[0]["text"] == "体育 é"
    assert read(path, encoding="cp1252")[0]["text"] == "体育 é"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("fields", [{}, {"encoding": "cp1252"}, {"fallback_encoding": "cp1252"}])
def test_without_a_mark_wide_characters_are_advised_by_their_nuls(
    tmp_path: Path, encoding: str, fields: dict[str, str]
) -> None:
    path = written(tmp_path, "text,label\n体育新闻,x\nété,y\n".encode(encoding))
    with pytest.raises(InputError, match=rf"n\.csv .*set source\.encoding: {encoding}"):
        read(path, **fields)
    assert [row["text"] for row in read(path, encoding=encoding)] == ["体育新闻", "été"]


def test_chinese_without_utf_8_is_advised_gb18030(tmp_path: Path) -> None:
    path = written(tmp_path, "text,label\n今天的体育新闻很好看,x\n".encode("gb18030"))
    with pytest.raises(InputError, match=r"set source\.encoding: gb18030"):
        read(path)


@pytest.mark.parametrize("name", ["n.csv", "n.jsonl", "n.parquet", "a/1.txt"])
def test_a_git_lfs_pointer_is_named_before_anything_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n")
    source = FilesSettings(path=str(tmp_path if name.endswith("txt") else path))
    with pytest.raises(InputError, match=rf"{path.name} is a Git LFS pointer.*git lfs pull"):
        source_of(source).identity(None)
    with pytest.raises(InputError, match="is a Git LFS pointer"):
        source_of(source).read(None, tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"text": "a", "label": "x"}\n{"text": "cut \\ud83d", "label": "x"}\n',
            r"'text' of row n\.jsonl:2 .*surrogate",
        ),
        ('{"text": "a", "label": "x", "text": "b"}\n', r"n\.jsonl:1 has the key 'text' more than once"),
    ],
)
def test_a_line_that_says_no_one_thing_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = written(tmp_path, content, "n.jsonl")
    with pytest.raises(InputError, match=message):
        read(path)
    with pytest.raises(InputError, match=message.replace("n\\.jsonl", ".*n\\.jsonl")):
        list(read_rows(path, FilesSettings(path=str(path))))


def test_a_cut_off_escape_outside_what_is_mapped_matters_to_predictions_alone(tmp_path: Path) -> None:
    path = written(tmp_path, '{"text": "a", "label": "x", "note": "\\udc00"}\n', "n.jsonl")
    assert len(read(path)) == 1
    with pytest.raises(InputError, match="'note' of row"):
        list(read_rows(path, FilesSettings(path=str(path))))


def test_names_and_labels_are_compared_composed(tmp_path: Path) -> None:
    path = written(tmp_path, f"text,{NFD}\na,{NFD}\n")
    assert read(path, columns={"label": "économie"})[0]["label"] == "économie"
    assert read(path, columns={"label": NFD}, label_names={"économie": "money"})[0]["label"] == "money"
    jsonl = written(tmp_path, f'{{"text": "a", "{NFD}": "x"}}\n', "n.jsonl")
    assert read(jsonl, columns={"label": "économie"})[0]["label"] == "x"


def test_keys_of_json_lines_are_compared_composed_in_every_line(tmp_path: Path) -> None:
    lines = [f'{{"text": "{text}", "{key}": "{text}"}}\n' for text, key in [("a", "économie"), ("b", NFD), ("c", NFD)]]
    path = written(tmp_path, "".join(lines), "n.jsonl")
    assert [row["label"] for row in read(path, columns={"label": "économie"})] == ["a", "b", "c"]
    assert [row["label"] for row in read(path, columns={"label": NFD})] == ["a", "b", "c"]


def test_a_key_in_two_spellings_is_there_twice(tmp_path: Path) -> None:
    path = written(
        tmp_path, f'{{"text": "a", "économie": "x"}}\n{{"text": "b", "{NFD}": "y", "économie": "z"}}\n', "n.jsonl"
    )
    message = r"n\.jsonl:2 has the key 'économie' \(.*U\+0301.*U\+00E9.*\) more than once; keep one"
    with pytest.raises(InputError, match=message):
        read(path, columns={"label": "économie"})
    with pytest.raises(InputError, match=message):
        list(read_rows(path, FilesSettings(path=str(path))))


@pytest.mark.parametrize("fields", [{"encoding": "utf-16"}, {"fallback_encoding": "utf-16"}, {"encoding": "utf-32"}])
@pytest.mark.parametrize("name", ["n.csv", "n.jsonl", "in/x/1.txt"])
def test_wide_characters_without_the_mark_that_says_their_order_are_an_error(
    tmp_path: Path, name: str, fields: dict[str, str]
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        'text,label\n{"text": "caf\xe9"}\n'.encode("latin-1" if "fallback_encoding" in fields else "utf-8")
    )
    with pytest.raises(
        InputError, match=r"is not utf-(16|32): byte 0x74 at position 0 \(line 1\); set source\.encoding: "
    ):
        read(tmp_path / "in" if name.endswith("txt") else path, **fields)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["体育新闻", "a word"])
def test_the_order_of_wide_characters_is_advised(tmp_path: Path, encoding: str, text: str) -> None:
    path = written(tmp_path, f"text,label\n{text * 9},x\n".encode(encoding))
    with pytest.raises(InputError, match=rf"set source\.encoding: {encoding} "):
        read(path, encoding="utf-16")


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_LONGEST_LINE", 64)
    path = written(tmp_path, '{"text": "a", "label": "x"}\n{"text": "' + "a" * 99, "n.jsonl")
    with pytest.raises(InputError, match=r"n\.jsonl:2 is longer than 64 characters; write one row a line"):
        read(path)


def test_two_columns_that_look_alike_are_shown_by_code_points(tmp_path: Path) -> None:
    path = written(tmp_path, f"text,économie,{NFD}\na,x,y\n")
    with pytest.raises(InputError, match=r"2 columns 'économie' \(.*U\+00E9.*U\+0301.*rename all but one"):
        read(path, columns={"label": "économie"})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"header": False}, "needs the columns' names"),
        ({"names": ["a"]}, "set header: false"),
        ({"header": False, "names": ["a", "a"]}, "names repeat: a"),
        ({"escape": "ab"}, "escape 'ab' is not one character"),
        ({"escape": ";", "delimiter": ";"}, "delimiter and escape are both"),
        ({"quoting": "all"}, "minimal"),
        ({"columns": {"label": ["a", "b"]}}, r"only those of text can be joined"),
    ],
)
def test_a_dialect_that_contradicts_itself_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FilesSettings.model_validate({"path": "n.csv", **fields})


@pytest.mark.parametrize(
    "fields", [{"quoting": "none"}, {"escape": "\\"}, {"header": False, "names": ["text"]}, {"delimiter": ";"}]
)
def test_settings_of_delimited_text_are_refused_for_other_formats(tmp_path: Path, fields: dict[str, Any]) -> None:
    path = written(tmp_path, '{"text": "a", "label": "x"}\n', "n.jsonl")
    source = FilesSettings.model_validate({"path": str(path), **fields})
    for act in (lambda: source_of(source).identity(None), lambda: read(path, **fields)):
        with pytest.raises(InputError, match=r"source\.\w+.* for delimited text, and .*n\.jsonl is jsonl; remove what"):
            act()
    with pytest.raises(ValidationError, match="for delimited text, not for format: jsonl"):
        FilesSettings.model_validate({"path": str(path), "format": "jsonl", **fields})
    assert list(read_rows(path, source)) == [{"text": "a", "label": "x"}]


@pytest.mark.parametrize(("name", "escape"), [("n.csv", ","), ("n.tsv", "\t")])
def test_an_escape_that_is_the_delimiter_of_a_file_is_refused(tmp_path: Path, name: str, escape: str) -> None:
    path = written(tmp_path, "text,label\na,x\n", name)
    with pytest.raises(InputError, match=rf"source\.escape '.*' is the delimiter of {name} too"):
        read(path, escape=escape)


def test_a_table_whose_name_tells_nothing_is_read_in_the_format_of_the_source(tmp_path: Path) -> None:
    path = written(tmp_path, "text,label\na,x\n", "n.dat")
    assert list(read_rows(path, FilesSettings(path="m.dat", format="csv"))) == [{"text": "a", "label": "x"}]
    with pytest.raises(InputError, match="unknown format"):
        list(read_rows(path, FilesSettings(path="m.csv")))


def test_each_of_many_texts_is_opened_twice_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "in" / "x" / "1.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one\r\ntwo")
    opened: list[Path] = []
    original = Path.open

    def counted(path: Path, *settings: Any, **more: Any) -> Any:
        opened.append(path)
        return original(path, *settings, **more)

    source = FilesSettings(path=str(tmp_path / "in"))
    monkeypatch.setattr(Path, "open", counted)
    (batch,) = FilesSource(source).listing().batches(source)
    assert batch.column("text").to_pylist() == ["one\ntwo"]
    assert 1 <= opened.count(path) <= 2


def test_small_groups_of_a_parquet_file_are_read_together(tmp_path: Path) -> None:
    columns = {"text": ["a"] * 900, "label": ["x"] * 900}
    pq.write_table(pa.table(columns), tmp_path / "n.parquet", row_group_size=3)
    assert len(list(read_parquet(tmp_path / "n.parquet", "n", FilesSettings(path="n.parquet")))) == 1


def test_bytes_of_a_mark_are_no_part_of_a_compressed_header(tmp_path: Path) -> None:
    import gzip

    content = gzip.compress(codecs.BOM_UTF16_LE + "text,label\na,x\n".encode("utf-16-le"), mtime=0)
    assert read(written(tmp_path, content, "n.csv.gz"))[0]["label"] == "x"

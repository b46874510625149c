"""What the sources of files are told."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from evergreen.adapters.files.decoding import check_text, check_width, decodes, head_of, marked_encoding
from evergreen.adapters.files.dialect import Dialect, Quoting
from evergreen.adapters.files.find import FileFormat
from evergreen.core.errors import InputError
from evergreen.core.spelling import written_as
from evergreen.data.row_fields import RowFields

PICTURE_FORMATS = ("image_folders", "tfrecord")
_OF_DELIMITED = ("delimiter", "quoting", "escape", "header", "names")
"""Fields that say how delimited text is written, and nothing of other formats."""


Place = Annotated[
    str,
    AfterValidator(
        written_as(
            r"(?s)(?!(?!gs:)[A-Za-z][A-Za-z0-9+.-]+://).*",
            "a file, a folder or a pattern such as data/news-*.csv, of this machine or of a bucket (gs://…); what lies "
            "at another address is downloaded first",
        )
    ),
]
"""Where files are read from."""


class FileFields(RowFields):
    """What a source of files is told: where they are and how their bytes become rows.

    `path` is a file, a folder or a glob; `format` None means by suffix; `fallback_encoding` is for those files that are
    not in `encoding`, and a byte order mark comes before both. Of delimited text, `delimiter` None means a comma (a tab
    for `.tsv`) or what a first line `sep=;` says; `quoting` None or `minimal` reads quotes around fields, None refusing
    those that may be letters of a text, `none` takes every quote for a letter; `escape` is the character that makes the
    next one a letter; without a `header` the columns have `names`. `round_masks` takes the nearest class where the
    masks of TFRecord files hold values between two. `group_pattern` is a regular expression whose parentheses
    match the group in a row's name: that of its file below the path, without extension where a file is one row, else
    with extension, `:` and the row's number.
    """

    places: ClassVar[frozenset[str]] = RowFields.places | {"path", "format"}  # what a format is, the listing says

    path: Place
    format: FileFormat | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    fallback_encoding: str | None = None
    quoting: Quoting | None = Field(default=None, exclude_if=lambda value: value is None)
    escape: str | None = Field(default=None, exclude_if=lambda value: value is None)
    header: bool = Field(default=True, exclude_if=lambda value: value)
    names: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    round_masks: bool = Field(default=False, exclude_if=lambda value: not value)
    group_pattern: str | None = Field(default=None, exclude_if=lambda value: value is None)

    @field_validator("group_pattern")
    @classmethod
    def _pattern_has_one_group(cls, pattern: str | None) -> str | None:
        try:
            count = 1 if pattern is None else re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"group_pattern '{pattern}' is no regular expression: {error}") from None
        if count != 1:
            raise ValueError(
                f"group_pattern '{pattern}' has {count} pairs of parentheses that tell a group (allowed: one); such as "
                "^(\\w+?)_ for a name that begins with it"
            )
        return pattern

    @model_validator(mode="after")
    def _groups_come_from_one_place(self) -> Self:
        if "group" in self.columns and self.group_pattern is not None:
            raise ValueError("columns.group and group_pattern both tell the groups; remove one")
        if "group" in self.columns and self.format == "image_folders":
            raise ValueError("folders of pictures have no column of groups; set group_pattern for what names tell")
        return self

    @model_validator(mode="after")
    def _rounding_is_of_records(self) -> Self:
        if self.round_masks and self.format != "tfrecord":
            raise ValueError("round_masks is for arrays of numbers; it needs format: tfrecord")
        return self

    @property
    def has_pictures(self) -> bool:
        """Whether the rows are pictures: the columns say so, or the format holds nothing else."""
        return super().has_pictures or self.format in PICTURE_FORMATS

    @property
    def canonical_names(self) -> tuple[str, ...]:
        """The columns that the rows have once they are read."""
        return super().canonical_names + (() if self.group_pattern is None else ("group",))

    @property
    def group_in_names(self) -> str | None:
        """The regular expression that finds the groups in rows' names."""
        return self.group_pattern

    @field_validator("encoding", "fallback_encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str | None) -> str | None:
        try:
            "a".encode(encoding or "utf-8")  # also refuses codecs that are not of text, such as rot13
        except (LookupError, UnicodeError):
            raise ValueError(f"unknown text encoding '{encoding}'; such as utf-8, cp1252, latin-1, utf-16") from None
        return encoding

    @field_validator("delimiter", "escape")
    @classmethod
    def _is_one_character(cls, sign: str | None, info: ValidationInfo) -> str | None:
        if sign is not None and (len(sign) != 1 or sign in '"\r\n'):
            raise ValueError(
                f'{info.field_name} {sign!r} is not one character, or is a quote or line end; a tab is "\\t" in double '
                "quotes"
            )
        return sign

    @model_validator(mode="after")
    def _dialect_is_whole(self) -> Self:
        if self.header and self.names:
            raise ValueError("names are for files without a header line; set header: false, or remove names")
        if not self.header and not self.names:
            raise ValueError("header: false needs the columns' names in order, such as names: [label, text]")
        if repeated := sorted({name for name in self.names if self.names.count(name) > 1}):
            raise ValueError(f"names repeat: {', '.join(repeated)}")
        if self.escape is not None and self.escape == self.delimiter:
            raise ValueError(f"delimiter and escape are both {self.escape!r}; set another")
        return self

    @model_validator(mode="after")
    def _dialect_is_of_delimited_text(self) -> Self:
        if self.format is not None and (given := self._given_for(self.format)):
            raise ValueError(f"{given} for delimited text, not for format: {self.format}; remove what does not apply")
        return self

    def check_format(self, file_format: FileFormat) -> None:
        """Raises InputError where files of a format would be read with settings that are not for it."""
        if given := self._given_for(file_format):
            raise InputError(
                f"{given} for delimited text, and {self.path} is {file_format}; remove what does not apply"
            )

    def _given_for(self, file_format: FileFormat) -> str | None:
        """The settings that are not for the format, such as `source.quoting and source.escape are`."""
        if file_format == "csv":
            return None
        given = [name for name in _OF_DELIMITED if getattr(self, name) != type(self).model_fields[name].default]
        return (
            f"{' and '.join(f'source.{name}' for name in given)} {'is' if len(given) == 1 else 'are'}"
            if given
            else None
        )

    def encoding_of(self, file: Path, name: str, head: bytes | None = None) -> str:
        """The encoding of one file: what its byte order mark says, else the fallback if there is one and it needs it.

        `head` is its beginning, where that has been read.

        Raises:
            InputError: it is no text by its first bytes, or written with several bytes a character, and neither mark
                nor configuration says so.
        """
        head = head_of(file) if head is None else head
        marked = marked_encoding(head)
        if marked is not None:
            return marked
        check_text(head, name)
        check_width(head, name, self.encoding)
        if self.fallback_encoding is None or decodes(file, self.encoding):
            return self.encoding
        return self.fallback_encoding

    def delimiter_of(self, file: Path) -> str:
        """The delimiter of one file of delimited text, unless its first line says another."""
        is_tab_separated = file.name.lower().removesuffix(".gz").endswith(".tsv")
        return self.delimiter or ("\t" if is_tab_separated else ",")

    def dialect_of(self, file: Path, name: str) -> Dialect:
        """How the bytes of one file of delimited text become fields. Raises InputError as `encoding_of`."""
        return replace(self.dialect_to(file), encoding=self.encoding_of(file, name))

    def dialect_to(self, file: Path) -> Dialect:
        """How a new file of delimited text is written. Raises InputError where nothing can be escaped."""
        is_given, delimiter = self.delimiter is not None, self.delimiter_of(file)
        if self.escape == delimiter:
            raise InputError(
                f"source.escape {self.escape!r} is the delimiter of {file.name} too; set source.delimiter to another, "
                "or remove source.escape"
            )
        return Dialect(self.encoding, delimiter, is_given, self.quoting, self.escape, self.names)

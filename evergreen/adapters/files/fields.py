"""What the sources of files are told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from evergreen.adapters.files.decoding import decodes
from evergreen.adapters.files.find import FileFormat
from evergreen.data.canonical import RowFields

PICTURE_FORMATS = ("image_folders", "tfrecord")


class FileFields(RowFields):
    """What a source of files is told: where they are and how their bytes become rows.

    `path` is a file, a folder or a glob; `format` None means by suffix; `delimiter` None means a comma (a tab for
    `.tsv`); `fallback_encoding` is for those files that are not in `encoding`; `round_masks` takes the nearest class
    where the masks of TFRecord files hold values between two. `group_pattern` is a regular expression whose parentheses
    match the group in a row's name: that of its file below the path, without extension where a file is one row, else
    with extension, `:` and the row's number.
    """

    path: str
    format: FileFormat | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    fallback_encoding: str | None = None
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

    @field_validator("delimiter")
    @classmethod
    def _delimiter_is_one_character(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and len(delimiter) != 1:
            raise ValueError(f'delimiter {delimiter!r} is not one character; a tab is "\\t" in double quotes')
        return delimiter

    def encoding_of(self, file: Path) -> str:
        """The encoding of one file: the fallback, where there is one and the file needs it."""
        if self.fallback_encoding is None or decodes(file, self.encoding):
            return self.encoding
        return self.fallback_encoding

    def delimiter_of(self, file: Path) -> str:
        """The delimiter of one CSV file."""
        is_tab_separated = file.name.lower().removesuffix(".gz").endswith(".tsv")
        return self.delimiter or ("\t" if is_tab_separated else ",")

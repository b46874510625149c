"""What the sources of files are told."""

from __future__ import annotations

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
    `.tsv`); `fallback_encoding` is for those files that are not in `encoding`; `round_masks` takes
    the nearest class where the masks of TFRecord files hold values between two.
    """

    path: str
    format: FileFormat | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    fallback_encoding: str | None = None
    round_masks: bool = Field(default=False, exclude_if=lambda value: not value)

    @model_validator(mode="after")
    def _rounding_is_of_records(self) -> Self:
        if self.round_masks and self.format != "tfrecord":
            raise ValueError("round_masks is for arrays of numbers; it needs format: tfrecord")
        return self

    @property
    def has_pictures(self) -> bool:
        """Whether the rows are pictures: the columns say so, or the format holds nothing else."""
        return super().has_pictures or self.format in PICTURE_FORMATS

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

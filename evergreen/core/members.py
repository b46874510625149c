"""The settings that the open unions are made of, and what each verb gives back.

source_of(configuration.source).read(window, out_dir)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Generic, Literal, Self, TypeVar, cast

from evergreen.core.errors import InputError
from evergreen.core.kinds import Settings, behaviour
from evergreen.core.preparation import Destination
from evergreen.core.protocols import BigQueryData, Host, Publisher, Source


class SourceSettings(Settings):
    """Where rows come from; `source` names its `Source` as `module:class`.

    `table_fields` are those fields of `kind: files` that say how a table like its rows is read.
    """

    source: ClassVar[str]
    table_fields: ClassVar[frozenset[str]] = frozenset()

    @property
    def mapping(self) -> dict[str, str]:
        """Column of the source by canonical name."""
        return {}

    def with_columns(self, columns: Mapping[str, str], label_names: Mapping[str, str] | None) -> Self:
        """The settings with these columns beside and before their own, and these names of labels (None: their own).

        Raises:
            InputError: the source has no columns to map, or they cannot be used.
        """
        if columns or label_names is not None:
            raise InputError(f"a source of kind {self.kind} has no columns to map; leave --columns, --label-names out")
        return self


S = TypeVar("S", bound=SourceSettings)


class ReadSource(Generic[S]):
    """What a source is that is read alone, on no machine of BigQuery's; others say otherwise."""

    def __init__(self, settings: S) -> None:
        self.settings = settings

    def destination(self, *, windowed: bool) -> Destination:  # noqa: ARG002 - the protocol's
        """Raises InputError: rows cannot be written where this kind of source reads them."""
        raise InputError(
            f"a source of kind {self.settings.kind} is read, never written (allowed: bigquery, files); name another "
            "--config"
        )

    def prepared_folder(self) -> str:
        """Raises InputError: it reads no folder."""
        raise InputError(
            "extra.prepare writes Parquet files; set parameters.source to kind: files with a folder as path"
        )

    def bigquery(self) -> BigQueryData | None:
        """Nothing."""
        return None


class HostSettings(Settings):
    """Where endpoints live; `hosting` names its `Host`: a field `host` is an address."""

    hosting: ClassVar[str]


class PublisherSettings(Settings):
    """Where versions are published; `publisher` names its `Publisher`.

    With `when: candidate` a version is published before its rollout, too, for review. `dry_run` only says what would be
    done.
    """

    publisher: ClassVar[str]
    when: Literal["live", "candidate"] = "live"
    dry_run: bool = False


def source_of(settings: SourceSettings) -> Source:
    """The source that these settings describe."""
    return cast("Source", behaviour(settings, "source"))


def host_of(settings: HostSettings) -> Host:
    """The host that these settings describe."""
    return cast("Host", behaviour(settings, "hosting"))


def publisher_of(settings: PublisherSettings) -> Publisher:
    """The publisher that these settings describe."""
    return cast("Publisher", behaviour(settings, "publisher"))

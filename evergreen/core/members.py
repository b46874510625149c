"""The settings that the open unions are made of, and what each verb gives back.

source_of(configuration.source).read(window, out_dir)
trainable(configuration.task).train(splits, run)
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, Self, TypeVar, cast

from evergreen.core.batch import Table
from evergreen.core.errors import InputError
from evergreen.core.kinds import Settings, behaviour
from evergreen.core.metric import MetricSpec
from evergreen.core.preparation import Destination, Raw
from evergreen.core.protocols import (
    BigQueryData,
    Examinable,
    Exportable,
    Host,
    Measurable,
    Presentable,
    Publisher,
    Servable,
    Source,
    Trainable,
)

if TYPE_CHECKING:
    from pathlib import Path

    from evergreen.core.artifacts import Dataset, ResolvedWindow
    from evergreen.core.part import NewRows, PartOfSource


class SourceSettings(Settings):
    """Where rows come from; `source` names its `Source` as `module:class`.

    `table_fields` are those fields of `kind: files` that say how a table like its rows is read; `fetching` those that
    only say how rows are fetched: whatever they are, the rows are the same. `free_to_read`: looking at the first
    ones bills no query and fetches no data set.
    """

    source: ClassVar[str]
    free_to_read: ClassVar[bool] = False
    fetching: ClassVar[frozenset[str]] = frozenset()
    table_fields: ClassVar[frozenset[str]] = frozenset()

    @property
    def mapping(self) -> dict[str, str]:
        """Column of the source by canonical name."""
        return {}

    @property
    def canonical_names(self) -> tuple[str, ...]:
        """The columns that the rows have once they are read."""
        return ("id", *self.mapping)

    @property
    def known_by(self) -> dict[str, str]:
        """What tells whether a row is new: columns of the source by canonical name."""
        return {}

    @property
    def shaped_by(self) -> dict[str, str]:
        """What decides what a row says, and by that its split: fields and columns of the source by name."""
        return {}

    @property
    def read_from(self) -> dict[str, str]:
        """Where the rows are, the same however many come: fields of the source by name; all of them may tell it."""
        return {"kind": self.kind}

    @property
    def has_pictures(self) -> bool:
        """Whether the rows are pictures with masks."""
        return "image" in self.mapping

    def with_columns(self, columns: Mapping[str, str], label_names: Mapping[str, str] | None) -> Self:
        """The settings with these columns beside and before their own, and these names of labels (None: their own).

        Raises:
            InputError: the source has no columns to map, or they cannot be used.
        """
        if columns or label_names is not None:
            raise InputError(f"a source of kind {self.kind} has no columns to map; leave --columns, --label-names out")
        return self

    def reads_as(self, other: SourceSettings) -> bool:
        """Whether the other is of the same rows, read in the same way, however either fetches them."""
        fields = [one.model_dump(exclude=set(self.fetching)) for one in (self, other)]
        return type(other) is type(self) and fields[0] == fields[1]

    def check_window(self, window: ResolvedWindow | None) -> None:
        """Raises InputError where rows are to be chosen by their time and cannot be."""

    def check_incremental(self) -> None:
        """Raises InputError where rows that are new cannot be told from others."""
        raise InputError(
            f"a source of kind {self.kind} does not tell which of its rows are new; set data: all, or take a source of "
            "kind bigquery, files or huggingface"
        )


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
            "a preparation writes Parquet files; set parameters.source to kind: files with a folder as path"
        )

    def table(self, window: ResolvedWindow | None, columns: Sequence[str] | None) -> Table:  # noqa: ARG002 - the protocol's
        """Raises InputError: rows of this kind of source are trained on alone."""
        raise InputError(
            f"rows of a source of kind {self.settings.kind} cannot be predicted (allowed: bigquery, files); set source"
        )

    def raw(self) -> Raw | None:
        """None: it is read as a whole."""
        return None

    def bigquery(self) -> BigQueryData | None:
        """Nothing."""
        return None

    def find_new(self, part: PartOfSource) -> NewRows:  # noqa: ARG002 - the protocol's
        """Raises InputError: which rows are new is not told."""
        self.settings.check_incremental()
        raise NotImplementedError(f"{type(self).__name__} lacks find_new, which its settings promise")

    def read_new(self, part: PartOfSource, out_dir: Path) -> Dataset:  # noqa: ARG002 - the protocol's
        """Raises InputError: which rows are new is not told."""
        self.settings.check_incremental()
        raise NotImplementedError(f"{type(self).__name__} lacks read_new, which its settings promise")


class HostSettings(Settings):
    """Where endpoints live; `hosting` names its `Host`: a field `host` is an address.

    `shadows` is whether a newcomer may get copies of requests before it gets any: `rollout.shadow`.
    """

    hosting: ClassVar[str]
    shadows: ClassVar[bool] = False


class PublisherSettings(Settings):
    """Where versions are published; `publisher` names its `Publisher`.

    With `when: candidate` a version is published before its rollout, too, for review. `dry_run` only says what would be
    done.
    """

    publisher: ClassVar[str]
    when: Literal["live", "candidate"] = "live"
    dry_run: bool = False


class TaskSettings(Settings):
    """What models are to answer, and how they are made. A class a verb, since another step begins at each; `exportable`
    is None where models have no graphs.

    `metrics` measure the whole test split and its slices, `class_metrics` each class; a gate may name these. `columns`
    are the types of the canonical columns that the task reads, by name, as Arrow spells them; `input_field`, one of
    them, holds what is predicted on, in rows and in instances. `encoded_answers` are fields of a prediction that hold
    bytes in base64. `prepares` names the fields that decide what becomes of
    rows that are prepared (None: any may). `warm_start` goes on from the champion's weights, where
    there is a champion, instead of the pretrained ones; `warm_start_fields` names the fields that it must have been
    trained with for that.
    """

    examinable: ClassVar[str]
    trainable: ClassVar[str]
    measurable: ClassVar[str]
    servable: ClassVar[str]
    presentable: ClassVar[str]
    exportable: ClassVar[str | None] = None

    metrics: ClassVar[tuple[MetricSpec, ...]]
    class_metrics: ClassVar[tuple[MetricSpec, ...]] = ()
    columns: ClassVar[Mapping[str, str]]
    input_field: ClassVar[str]
    encoded_answers: ClassVar[tuple[str, ...]] = ()
    prepares: ClassVar[frozenset[str] | None] = None
    warm_start_fields: ClassVar[tuple[str, ...]] = ()

    warm_start: bool = False

    @property
    def least_rows(self) -> int:
        """As many rows as `examinable` asks of a dataset at least."""
        return 1

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of class numbers; empty for a task without classes."""
        return ()

    def for_training(self) -> Self:
        """The task with what only measures models or guards data at its defaults: a change of that trains nothing."""
        return self


def check_behaviours(task: TaskSettings) -> None:
    """Imports what the task names for each verb, those of late steps too.

    Raises:
        InputError: it names none, or one that cannot be loaded.
    """
    for verb in ("trainable", "measurable", "servable", "presentable"):
        behaviour(task, verb)
    examinable(task)


def examinable(task: TaskSettings) -> Examinable:
    """What examines the rows of this task.

    Raises:
        InputError: the task is of an earlier protocol, whose `examine` took no `count`.
    """
    examiner = cast("Examinable", behaviour(task, "examinable"))
    given = inspect.signature(examiner.examine)
    try:
        given.bind("dataset", "count")
    except TypeError:
        raise InputError(
            f"kind {task.kind!r} ({task.examinable}) has examine{given}, which is called with a dataset and `count`; "
            "update the package that offers it, or give the method a second parameter `count`, which it may ignore"
        ) from None
    return examiner


def trainable(task: TaskSettings) -> Trainable:
    """What trains models of this task."""
    return cast("Trainable", behaviour(task, "trainable"))


def measurable(task: TaskSettings) -> Measurable:
    """What evaluates models of this task."""
    return cast("Measurable", behaviour(task, "measurable"))


def servable(task: TaskSettings) -> Servable:
    """What loads models of this task, and makes what they are asked."""
    return cast("Servable", behaviour(task, "servable"))


def exportable(task: TaskSettings) -> Exportable | None:
    """What makes graphs of models of this task; None: nothing does."""
    return None if task.exportable is None else cast("Exportable", behaviour(task, "exportable"))


def presentable(task: TaskSettings) -> Presentable:
    """What describes models of this task, and lets a person try them."""
    return cast("Presentable", behaviour(task, "presentable"))


def source_of(settings: SourceSettings) -> Source:
    """The source that these settings describe."""
    return cast("Source", behaviour(settings, "source"))


def host_of(settings: HostSettings) -> Host:
    """The host that these settings describe."""
    return cast("Host", behaviour(settings, "hosting"))


def publisher_of(settings: PublisherSettings) -> Publisher:
    """The publisher that these settings describe."""
    return cast("Publisher", behaviour(settings, "publisher"))

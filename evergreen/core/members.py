"""The settings that the open unions are made of, and what each verb gives back.

source_of(configuration.source).read(window, out_dir)
trainable(configuration.task).train(splits, run)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self, cast

from evergreen.core.kinds import Settings, behaviour
from evergreen.core.metric import MetricSpec
from evergreen.core.protocols import (
    Examinable,
    Host,
    Measurable,
    Presentable,
    Publisher,
    Servable,
    Source,
    Trainable,
)


class SourceSettings(Settings):
    """Where rows come from; `source` names its `Source` as `module:class`."""

    source: ClassVar[str]


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


class TaskSettings(Settings):
    """What models are to answer, and how they are made. A class a verb, since another step begins at each.

    `metrics` measure the whole test split and its slices, `class_metrics` each class; a gate may name these. `columns`
    are the types of the canonical columns that the task reads, by name, as Arrow spells them; `input_field`, one of
    them, holds what is predicted on, in rows and in instances. `warm_start` goes on from the champion's weights, where
    there is a champion, instead of the pretrained ones.
    """

    examinable: ClassVar[str]
    trainable: ClassVar[str]
    measurable: ClassVar[str]
    servable: ClassVar[str]
    presentable: ClassVar[str]

    metrics: ClassVar[tuple[MetricSpec, ...]]
    class_metrics: ClassVar[tuple[MetricSpec, ...]] = ()
    columns: ClassVar[Mapping[str, str]]
    input_field: ClassVar[str]

    warm_start: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of class numbers; empty for a task without classes."""
        return ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that hold secrets of a training."""
        return ()

    def for_training(self) -> Self:
        """The task with what only measures models or guards data at its defaults: a change of that trains nothing."""
        return self


def examinable(task: TaskSettings) -> Examinable:
    """What examines the rows of this task."""
    return cast("Examinable", behaviour(task, "examinable"))


def trainable(task: TaskSettings) -> Trainable:
    """What trains models of this task."""
    return cast("Trainable", behaviour(task, "trainable"))


def measurable(task: TaskSettings) -> Measurable:
    """What evaluates models of this task."""
    return cast("Measurable", behaviour(task, "measurable"))


def servable(task: TaskSettings) -> Servable:
    """What loads models of this task, and makes what they are asked."""
    return cast("Servable", behaviour(task, "servable"))


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

"""The settings that the open unions are made of, and what each verb gives back.

source_of(configuration.source).read(window, out_dir)
"""

from __future__ import annotations

from typing import ClassVar, Literal, cast

from evergreen.core.kinds import Settings, behaviour
from evergreen.core.protocols import Host, Publisher, Source


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


def source_of(settings: SourceSettings) -> Source:
    """The source that these settings describe."""
    return cast("Source", behaviour(settings, "source"))


def host_of(settings: HostSettings) -> Host:
    """The host that these settings describe."""
    return cast("Host", behaviour(settings, "hosting"))


def publisher_of(settings: PublisherSettings) -> Publisher:
    """The publisher that these settings describe."""
    return cast("Publisher", behaviour(settings, "publisher"))

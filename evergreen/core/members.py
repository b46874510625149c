"""The settings that the open unions are made of, and what each verb gives back.

source_of(configuration.source).read(window, out_dir)
"""

from __future__ import annotations

from typing import ClassVar, cast

from evergreen.core.kinds import Settings, behaviour
from evergreen.core.protocols import Host, Publisher, Source


class SourceSettings(Settings):
    """Where rows come from; `source` names its `Source` as `module:class`."""

    source: ClassVar[str]


class HostSettings(Settings):
    """Where endpoints live; `host` names its `Host`."""

    host: ClassVar[str]


class PublisherSettings(Settings):
    """Where versions are published; `publisher` names its `Publisher`."""

    publisher: ClassVar[str]


def source_of(settings: SourceSettings) -> Source:
    """The source that these settings describe."""
    return cast("Source", behaviour(settings, "source"))


def host_of(settings: HostSettings) -> Host:
    """The host that these settings describe."""
    return cast("Host", behaviour(settings, "host"))


def publisher_of(settings: PublisherSettings) -> Publisher:
    """The publisher that these settings describe."""
    return cast("Publisher", behaviour(settings, "publisher"))

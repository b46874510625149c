"""The times that a cron line names, as Vertex AI reads it: five fields, in UTC or after `TZ=<zone>`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from evergreen.core.errors import InputError

_ZONE_SIGNS = ("CRON_TZ=", "TZ=")
_FIELDS = 5


def firings(cron: str, after: datetime, count: int) -> list[datetime]:
    """The next times in UTC that a cron line names, such as `0 3 * * *` or `TZ=Europe/Berlin 0 3 * * *`.

    Raises:
        InputError: it is no such line.
    """
    fields, zone = cron.strip(), "UTC"
    for sign in _ZONE_SIGNS:
        if fields.startswith(sign):
            zone, _, fields = fields.removeprefix(sign).partition(" ")
            break
    if len(fields.split()) != _FIELDS:
        raise InputError(f"--cron '{cron}' has not five fields: minute, hour, day of month, month, day of week")
    try:
        return [moment.astimezone(UTC) for moment in islice(_times(fields, after.astimezone(ZoneInfo(zone))), count)]
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise InputError(f"--cron '{cron}' names no times: {error}; write such as '0 3 * * *'") from error


def _times(fields: str, after: datetime) -> Iterator[datetime]:
    from croniter import croniter

    times = croniter(fields, after)
    while True:
        yield times.get_next(datetime)

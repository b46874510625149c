"""Why a job of Vertex AI ended before its code did: Google's own words, and what kind of failure they tell.

"com.google.…AiPlatformException: code=RESOURCE_EXHAUSTED, message=The following quota metrics exceed quota limits: …"
→ `no machine was to be had: The following quota metrics exceed quota limits: …`
"""

from __future__ import annotations

import re
from enum import StrEnum

RESOURCE_EXHAUSTED, PERMISSION_DENIED, INTERNAL = 8, 7, 13
"""Numbers of google.rpc.Code."""
MESSAGE = re.compile(r"\bmessage=(?P<message>.+?), cause=", re.DOTALL)
MOST_CHARS = 600


class Cause(StrEnum):
    """What kept code from running, or ended it from outside, in words."""

    PREEMPTED = "its Spot machine was taken back (preempted)"
    IMAGE = "its image cannot be pulled"
    CAPACITY = "no machine was to be had"
    PERMISSION = "a permission is missing"
    PLATFORM = "Vertex AI failed before any code ran"


PATTERNS = (
    (Cause.PREEMPTED, r"pre-?empt"),
    (Cause.IMAGE, r"pull(ing)? (the )?image|image .{0,200}(not found|cannot be pulled|does not exist)"),
    (Cause.CAPACITY, r"RESOURCE_EXHAUSTED|STOCKOUT|quota.* exceed|exceed.* quota|resources are insufficient"),
    (Cause.PERMISSION, r"PERMISSION_DENIED|permission|not have access|\bdenied\b"),
    (Cause.PLATFORM, r"DRIVER_FAILED|internal error"),
)
CODES = {RESOURCE_EXHAUSTED: Cause.CAPACITY, PERMISSION_DENIED: Cause.PERMISSION, INTERNAL: Cause.PLATFORM}


def cause_of(code: int, words: str, *, ran_on_spot: bool = False) -> Cause | None:
    """The kind of failure; None for one that code caused itself. What the words name counts more than the number.

    `ran_on_spot`: code had begun on a Spot machine. Where that is taken back, Google says what it says of one that is
    not to be had: "job fails with a STOCKOUT error" (cloud.google.com/vertex-ai/docs/predictions/use-spot-vms).
    """
    cause = next((cause for cause, pattern in PATTERNS if re.search(pattern, words, re.IGNORECASE)), CODES.get(code))
    return Cause.PREEMPTED if ran_on_spot and cause is Cause.CAPACITY else cause


def google_words(text: str) -> str:
    """What Google says, in one line, without what its services wrap it in; the end alone of what is long."""
    found = MESSAGE.search(text)
    plain = " ".join((found["message"] if found else text).split())
    return plain if len(plain) <= MOST_CHARS else f"… {plain[-MOST_CHARS:]}"


def describe(code: int, text: str, *, ran_on_spot: bool = False) -> str:
    """The cause in words, where it is known, before Google's own."""
    words = google_words(text)
    cause = cause_of(code, text, ran_on_spot=ran_on_spot)
    return f"{cause}: {words}" if cause else words

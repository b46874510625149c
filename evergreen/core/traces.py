"""Ids of requests. One that is made here names the version that answers, so that it leads there without any log.

36df30fb3710 9c41d2ab77e05f81c6d0    the version and 80 random bits: together a trace id as W3C has it
"""

from __future__ import annotations

import re
import secrets

from evergreen.core.artifacts import VERSION_LENGTH

TRACE_ID, INDEX = "trace_id", "index"
"""The request of an answer, and which of its instances, from 0: by these a label finds what was answered."""
_DIGITS = 32
_VERSION = re.compile(rf"[0-9a-f]{{{VERSION_LENGTH}}}")
_TRACE = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")


def new_trace(version: str = "") -> str:
    """32 hexadecimal digits that begin with the version; all random where there is none, or one of other signs."""
    named = version if _VERSION.fullmatch(version) else ""
    return named + secrets.token_hex(_DIGITS // 2)[len(named) :]


def version_of(trace: str) -> str | None:
    """The version that a trace id names if it was made here; None of what no trace id of ours looks like."""
    return trace[:VERSION_LENGTH] if _TRACE.fullmatch(trace) else None

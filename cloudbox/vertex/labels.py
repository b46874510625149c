"""Labels as Google takes them: at most 64, keys and values lowercase, at most 63 characters."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cloudbox.errors import invalid

_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_VALUE = re.compile(r"[a-z0-9_-]{0,63}")


def check_labels(labels: Mapping[str, str]) -> None:
    """Raises ApiError(INVALID_ARGUMENT) that names the first label that breaks a rule."""
    if len(labels) > 64:
        raise invalid(f"A resource has at most 64 labels, got {len(labels)}.")
    for key, value in labels.items():
        lowered = key.lower() == key and value.lower() == value
        # international letters are allowed: fold them to one that the pattern knows
        plain = re.sub(r"[^\W\d_]", "a", key), re.sub(r"[^\W\d_]", "a", value)
        if not lowered or not _KEY.fullmatch(plain[0]) or not _VALUE.fullmatch(plain[1]):
            raise invalid(
                f"Invalid label `{key}: {value}`: keys start with a lowercase letter, keys and values have at most 63 "
                "characters, only lowercase letters, digits, underscores and dashes."
            )

"""What a dataset breaks, all of it in one error."""

from __future__ import annotations

from collections.abc import Sequence

from evergreen.core.errors import InputError


class DatasetError(InputError):
    """A dataset breaks rules; `violations` has one line a rule."""

    def __init__(self, rows: int, violations: Sequence[str]) -> None:
        rules = "1 rule" if len(violations) == 1 else f"{len(violations)} rules"
        super().__init__("\n- ".join([f"dataset of {rows:,} rows breaks {rules}:", *violations]))
        self.violations = tuple(violations)

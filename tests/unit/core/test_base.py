from __future__ import annotations

import pytest
from pydantic import ValidationError

from evergreen.core.base import Frozen


def test_a_default_that_is_not_of_its_type_is_refused() -> None:
    class Wrong(Frozen):
        counted: int | None = ""  # type: ignore[assignment]  # the mistake

    assert Wrong(counted=1).counted == 1
    with pytest.raises(ValidationError, match="counted"):
        Wrong()

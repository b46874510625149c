from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from pydantic import ValidationError, create_model

import evergreen.adapters.kinds  # its values and those of the tasks are looked at, too
import evergreen.core
import evergreen.tasks
from evergreen.core.base import Frozen


def test_a_default_that_is_not_of_its_type_is_refused() -> None:
    class Wrong(Frozen):
        counted: int | None = ""  # type: ignore[assignment]  # the mistake

    assert Wrong(counted=1).counted == 1
    with pytest.raises(ValidationError, match="counted"):
        Wrong()


def values(base: type[Frozen]) -> Iterator[type[Frozen]]:
    for value in base.__subclasses__():
        yield value
        yield from values(value)


def test_every_default_of_every_value_is_of_its_type() -> None:
    for module in pkgutil.iter_modules(evergreen.core.__path__, "evergreen.core."):
        importlib.import_module(module.name)
    checked = 0
    for value in {value for value in values(Frozen) if value.__module__.startswith("evergreen.")}:
        for name, field in value.model_fields.items():
            if not field.is_required():
                create_model("Alone", __base__=Frozen, **{name: (field.annotation, field)})()  # type: ignore[call-overload]
                checked += 1
    assert checked > 200

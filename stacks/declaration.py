"""What `stacks/<name>.yaml` declares: one component a type, checked against ZenML's flavors."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import field_validator

from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from orchestration.document import Document, read
from orchestration.mistakes import Mistake, YamlPath, hint, unknown
from orchestration.schema import check, unknown_keys
from orchestration.settings import own_flavors

DIRECTORY = Path(__file__).parent


class Component(Frozen):
    """One stack component; `name` is the stack's own name unless given."""

    flavor: str
    name: str | None = None
    configuration: dict[str, Any] = {}

    @field_validator("configuration")
    @classmethod
    def _left_out_is_not_set(cls, configuration: dict[str, Any]) -> dict[str, Any]:
        """ZenML keeps no field that is None, and would take it for a change each time."""
        return {name: value for name, value in configuration.items() if value is not None}


class Declaration(Frozen):
    """A stack's components by ZenML's component type (`orchestrator`, `artifact_store`, …)."""

    components: dict[str, Component]

    @property
    def is_local(self) -> bool:
        """Whether its artifacts stay on this machine, where no remote ZenML server finds them."""
        return self.components["artifact_store"].flavor == "local"


def declaration(name: str) -> Declaration:
    """What `stacks/<name>.yaml` declares.

    Raises:
        InputError: no such file, or a ConfigurationError with every mistake in it.
    """
    path = DIRECTORY / f"{name}.yaml"
    if not path.is_file():
        names = sorted(file.stem for file in DIRECTORY.glob("*.yaml"))
        raise InputError(f"no stack {name!r}{hint(name, names)} (stacks/ has: {', '.join(names)})")
    document = read(path)
    declared, mistakes = check(Declaration, document, ())
    mistakes += _check_components(document)
    if mistakes or document.mistakes or declared is None:
        raise document.error(mistakes)
    return Declaration.model_validate(declared)


def _check_components(document: Document) -> Iterator[Mistake]:
    components = document.values.get("components")
    if not isinstance(components, dict):
        return
    known = _flavor_configurations()
    types = {kind for kind, _ in known}
    for required in ("artifact_store", "orchestrator"):
        if required not in components:
            yield Mistake(("components", required), "missing; every ZenML stack has one")
    for kind, component in components.items():
        place: YamlPath = ("components", kind)
        if kind not in types:
            yield unknown(place, "component type", types)
        elif isinstance(component, dict) and isinstance(flavor := component.get("flavor"), str):
            if (kind, flavor) not in known:
                allowed = [name for component_type, name in known if component_type == kind]
                yield unknown((*place, "flavor"), f"flavor '{flavor}'", allowed)
            else:
                fields = component.get("configuration", {})
                yield from unknown_keys([known[kind, flavor]], fields, (*place, "configuration"))


@cache
def _flavor_configurations() -> dict[tuple[str, str], type[Any]]:
    """Configuration class by (component type, flavor); connects to nothing."""
    from zenml.stack.flavor_registry import FlavorRegistry

    registry = FlavorRegistry()
    flavors = [
        flavor_class() for flavor_class in [*registry.builtin_flavors, *registry.integration_flavors, *own_flavors()]
    ]
    return {(flavor.type.value, flavor.name): flavor.config_class for flavor in flavors}

"""ZenML's `settings` checked key by key: ZenML itself accepts any field there and drops what it does not know.

settings:
  orchestrator: {synchronous: false}     # <component type>[.<flavor> | :<name>], or docker, resources, deployment
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from orchestration.document import Document, read
from orchestration.mistakes import Mistake, YamlPath, unknown
from orchestration.schema import misfits, mistakes_of, unknown_keys

if TYPE_CHECKING:
    from zenml.stack import Flavor

STACKS_DIRECTORY = Path(__file__).parents[1] / "stacks"
Flavors = Mapping[str, set[str]]


def check_settings(document: Document, path: YamlPath, flavors: Flavors) -> Iterator[Mistake]:
    """Mistakes of the `settings` mapping at `path`; `flavors` are those of the stacks by component type, empty: any."""
    from zenml.enums import StackComponentType
    from zenml.utils.settings_utils import get_general_settings

    general = get_general_settings()
    value: Any = document.values
    for part in path:
        value = value[part]
    if not isinstance(value, Mapping):
        return
    for key, fields in value.items():
        place = (*path, key)
        kind = str(key).replace(":", ".").partition(".")[0]
        if key not in general and kind not in StackComponentType.values():
            yield unknown(place, "key", [*general, *StackComponentType.values()])
        elif not isinstance(fields, Mapping):
            yield Mistake(place, "should be a mapping (key: value)")
        else:
            classes = [general[key]] if key in general else _classes(key, flavors)
            yield from _check_fields(document, place, fields, classes)


def declared_flavors(stacks: Iterable[str]) -> dict[str, set[str]]:
    """The flavors by component type that `stacks/<name>.yaml` declare; empty when one of the stacks has no file."""
    flavors: dict[str, set[str]] = {}
    for name in stacks:
        path = STACKS_DIRECTORY / f"{name}.yaml"
        if not path.is_file():
            return {}
        for kind, component in read(path).values.get("components", {}).items():
            flavors.setdefault(kind, set()).add(component["flavor"])
    return flavors


def _check_fields(
    document: Document, path: YamlPath, fields: Mapping[str, Any], classes: list[type[Any]]
) -> Iterator[Mistake]:
    if not classes:
        yield Mistake(path, "no such component of the stacks in extra.stacks takes settings; remove this key")
        return
    strangers = list(unknown_keys(classes, fields, path))
    yield from strangers
    if strangers or len(classes) > 1:
        return
    wrong = list(misfits(classes, document.got(path), path))
    yield from wrong
    try:
        classes[0](**fields)
    except ValidationError as error:
        known = {mistake.path for mistake in wrong}
        others = mistakes_of(classes[0], fields, error, document, path)
        yield from (mistake for mistake in others if mistake.path not in known)


def _classes(key: str, flavors: Flavors) -> list[type[Any]]:
    """Settings classes that `key` (`orchestrator`, `orchestrator.vertex`, `orchestrator:name`) may refer to."""
    kind, _, flavor = key.partition(".")
    kind = kind.partition(":")[0]
    known = _settings_classes()
    present = flavors.get(kind, set()) if flavors else {name for flavor_type, name in known if flavor_type == kind}
    wanted = present & {flavor} if flavor else present
    return [known[kind, name] for name in sorted(wanted) if (kind, name) in known]


def own_flavors() -> list[type[Flavor]]:
    """The project's own flavors of stack components."""
    from orchestration.machine_flavor import MachinesFlavor

    return [MachinesFlavor]


@cache
def _settings_classes() -> dict[tuple[str, str], type[Any]]:
    """Settings class by (component type, flavor), for the flavors that have one; connects to nothing."""
    from zenml.config.base_settings import BaseSettings
    from zenml.stack.flavor_registry import FlavorRegistry

    registry = FlavorRegistry()
    classes: dict[tuple[str, str], type[Any]] = {}
    for flavor_type in [*registry.builtin_flavors, *registry.integration_flavors, *own_flavors()]:
        flavor = flavor_type()
        # A flavor's configuration inherits from its settings; its implementation, which names them, is heavy to import.
        for base in flavor.config_class.__mro__[1:]:
            if issubclass(base, BaseSettings) and base is not BaseSettings and base.__name__.endswith("Settings"):
                classes[flavor.type.value, flavor.name] = base
                break
    return classes

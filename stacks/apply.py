"""Registers the stack of `stacks/<name>.yaml` and sets it; again, it changes only what the file changed.

What it registers carries a label. What a person registered under the same name is used as it is, never changed.

python -m stacks.apply local
python -m stacks.apply local --check      # exit code 3 when a remote ZenML server is in the way
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evergreen.core.errors import EvergreenError, InputError
from orchestration.configuration import CONFIGS_DIRECTORY
from orchestration.document import read
from orchestration.settings import own_flavors
from orchestration.zenml_logs import plain_without_a_terminal
from stacks.declaration import DIRECTORY, Component, Declaration, declaration
from stacks.server import RemoteServerError, refuse_remote

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.enums import StackComponentType
    from zenml.models import ComponentResponse, StackResponse

REMOTE_IN_THE_WAY = 3
SECRET = re.compile(r"\{\{\s*([^.{}\s]+)\.([^{}\s]+)\s*\}\}")
LABELS = {"applied_by": "stacks.apply"}


def main(argv: Sequence[str]) -> int:
    """Exit code: 0 done, 1 failed, 2 bad input, 3 a remote server in the way of a local stack."""
    parser = argparse.ArgumentParser(
        prog="python -m stacks.apply", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("name", help="stacks/<name>.yaml")
    parser.add_argument("--check", action="store_true", help="only tell whether it could be registered here")
    args = parser.parse_args(argv)
    plain_without_a_terminal()
    try:
        declared = declaration(args.name)
        if declared.is_local:
            refuse_remote(args.name)
        if not args.check:
            for line in apply(args.name, declared):
                print(line)
            print(f"stack '{args.name}' is active; next\n  python run.py --config {_configuration_for(args.name)}")
    except EvergreenError as error:
        print(f"error: {error}", file=sys.stderr)
        return REMOTE_IN_THE_WAY if isinstance(error, RemoteServerError) else error.exit_code
    return 0


def _configuration_for(stack: str) -> str:
    """A configuration that is meant for the stack: of its own name, or else the one that names it earliest."""
    meant: list[tuple[bool, int, str]] = []
    for path in CONFIGS_DIRECTORY.glob("*.yaml"):
        stacks = read(path).values.get("extra", {}).get("stacks", [])
        if stack in stacks:
            meant.append((path.stem != stack, stacks.index(stack), path.name))
    return min(meant, default=(True, 0, "my_data.yaml"))[-1]


def apply(name: str, declared: Declaration) -> Iterator[str]:
    """Registers or updates the components and the stack, sets it, and yields a line for each thing that was done.

    Raises:
        InputError: somebody else's component or stack has the name and would have to change; nothing was done.
    """
    from zenml.client import Client

    client = Client()
    _require_secrets(client, declared)
    plans = _plans(client, declared, name)
    stack = next(iter(client.list_stacks(name=name, hydrate=True).items), None)
    _refuse_others([*(plan.refusal for plan in plans), _refusal(stack, plans)])
    _register_own_flavors(client, {plan.flavor for plan in plans})
    components: dict[StackComponentType, Any] = {}
    for plan in plans:
        registered, done = plan.carry_out(client)
        components[plan.kind] = registered.id
        yield f"{plan.kind.value:<20} {plan.flavor:<8} {registered.name}: {done}"
    yield f"{'stack':<29} {name}: {_register_stack(client, name, stack, components)}"
    client.activate_stack(name)


def outdated(name: str) -> list[str]:
    """What the applied stack keeps otherwise than its file says now: `orchestrator.location is us-east1, not us-west1`.

    Nothing for what a person registered, nor where the file's names are not all set in the environment.
    """
    from zenml.client import Client

    if not (DIRECTORY / f"{name}.yaml").is_file():
        return []
    try:
        declared = declaration(name)
    except InputError:
        return []
    client = Client()
    plans = _plans(client, declared, name)
    return [
        f"{plan.kind.value}.{field} is {plan.registered.configuration.get(field)}, not {wanted}"
        for plan in plans
        if plan.registered is not None and _ours(plan.registered)
        for field, wanted in plan.configuration.items()
        if plan.registered.configuration.get(field) != wanted
    ]


def _register_own_flavors(client: Client, wanted: set[str]) -> None:
    """Makes the project's own flavors known to ZenML, those that the stack has and ZenML has not."""
    from zenml.utils import source_utils

    for flavor in own_flavors():
        name, kind = flavor().name, flavor().type
        if name in wanted and not client.list_flavors(name=name, type=kind).items:
            client.create_flavor(source=source_utils.resolve(flavor).import_path, component_type=kind)


def _require_secrets(client: Client, declared: Declaration) -> None:
    """Returns when ZenML has every secret that a component refers to as `{{name.key}}`."""
    wanted: dict[str, set[str]] = {}
    for component in declared.components.values():
        for name, key in SECRET.findall(str(component.configuration)):
            wanted.setdefault(name, set()).add(key)
    for name, keys in wanted.items():
        held = _secret_keys(client, name)
        if missing := sorted(keys - held):
            command = "update" if held else "create"
            options = " ".join(f"--{key}=…" for key in missing)
            raise InputError(
                f"ZenML secret '{name}' has no {', '.join(missing)}, which the stack refers to; run\n"
                f"  zenml secret {command} {name} {options}"
            )


def _secret_keys(client: Client, name: str) -> set[str]:
    """The keys of a ZenML secret; none when there is no such secret."""
    try:
        return set(client.get_secret(name).values)
    except KeyError:
        return set()


@dataclass(frozen=True)
class _Plan:
    """A component as it shall be, and as it is registered now, if it is."""

    kind: StackComponentType
    name: str
    flavor: str
    configuration: dict[str, Any]
    registered: ComponentResponse | None

    @property
    def unchanged(self) -> bool:
        return self.registered is not None and self.registered.configuration == self.configuration

    @property
    def refusal(self) -> str | None:
        """The line that makes room, when somebody else's component would have to change."""
        if self.registered is None or self.unchanged or _ours(self.registered):
            return None
        return f"zenml {self.kind.value.replace('_', '-')} rename {self.name} my-{self.name}"

    def carry_out(self, client: Client) -> tuple[ComponentResponse, str]:
        """The component as registered, and what was done for that."""
        if self.registered is None:
            made = client.create_stack_component(
                self.name, self.flavor, self.kind, configuration=self.configuration, labels=LABELS
            )
            return made, "registered"
        if self.unchanged:
            return self.registered, "unchanged"
        dropped = dict.fromkeys(self.registered.configuration)
        wanted = {**dropped, **self.configuration}
        return client.update_stack_component(self.name, self.kind, configuration=wanted), "updated"


def _plans(client: Client, declared: Declaration, stack: str) -> list[_Plan]:
    from zenml.enums import StackComponentType

    return [
        _plan(client, StackComponentType(kind), component, stack) for kind, component in declared.components.items()
    ]


def _plan(client: Client, kind: StackComponentType, component: Component, stack: str) -> _Plan:
    name = component.name or stack
    known = {registered.name: registered for registered in client.list_stack_components(type=kind, size=1000).items}
    if name in known and known[name].flavor_name != component.flavor:
        name = f"{name}-{component.flavor}"  # a registered component's flavor cannot be changed
    return _Plan(kind, name, component.flavor, component.configuration, known.get(name))


def _refusal(stack: StackResponse | None, plans: Sequence[_Plan]) -> str | None:
    wanted = {plan.kind: plan.registered.id for plan in plans if plan.registered}
    if stack is None or _ours(stack) or (len(wanted) == len(plans) and _component_ids(stack) == wanted):
        return None
    return f"zenml stack rename {stack.name} my-{stack.name}"


def _refuse_others(renaming: Sequence[str | None]) -> None:
    if lines := [line for line in renaming if line]:
        raise InputError(
            "these were registered by other means and would have to change; rename them, then repeat\n  "
            + "\n  ".join(lines)
        )


def _register_stack(client: Client, name: str, stack: StackResponse | None, components: dict[Any, Any]) -> str:
    """What was done to the stack."""
    if stack is None:
        client.create_stack(name, components, labels=LABELS)
        return "registered"
    if _component_ids(stack) == components:
        return "unchanged"
    client.update_stack(name, component_updates={**{kind: [] for kind in stack.components}, **components})
    return "updated"


def _component_ids(stack: StackResponse) -> dict[StackComponentType, Any]:
    """Component ids by kind; several components of a kind are none that a file declares."""
    return {
        kind: components[0].id if len(components) == 1 else None
        for kind, components in stack.components.items()
        if components
    }


def _ours(registered: ComponentResponse | StackResponse) -> bool:
    return LABELS.items() <= (registered.labels or {}).items()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Registers the stack of `stacks/<name>.yaml` and sets it; again, it changes only what the file changed.

python -m stacks.apply local
python -m stacks.apply local --check      # exit code 2 when a remote ZenML server is in the way
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from evergreen.core.errors import EvergreenError
from stacks.declaration import Component, Declaration, declaration
from stacks.server import refuse_remote

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import ComponentResponse


def main(argv: Sequence[str]) -> int:
    """Exit code: 0 done, 1 failed, 2 bad input or a remote server in the way of a local stack."""
    parser = argparse.ArgumentParser(
        prog="python -m stacks.apply", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("name", help="stacks/<name>.yaml")
    parser.add_argument("--check", action="store_true", help="only tell whether it could be registered here")
    args = parser.parse_args(argv)
    try:
        declared = declaration(args.name)
        if declared.is_local:
            refuse_remote(args.name)
        if not args.check:
            for line in apply(args.name, declared):
                print(line)
            print(f"stack '{args.name}' is active; next\n  python run.py --config {args.name}.yaml")
    except EvergreenError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def apply(name: str, declared: Declaration) -> Iterator[str]:
    """Registers or updates the components and the stack, sets it, and yields a line for each thing that was done."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    client = Client()
    components: dict[StackComponentType, Any] = {}
    for kind, component in declared.components.items():
        registered, done = _register(client, StackComponentType(kind), component, name)
        components[StackComponentType(kind)] = registered.id
        yield f"{kind:<20} {component.flavor:<8} {registered.name}: {done}"
    yield f"{'stack':<29} {name}: {_register_stack(client, name, components)}"
    client.activate_stack(name)


def _register(client: Client, kind: Any, component: Component, stack: str) -> tuple[ComponentResponse, str]:
    """The component as registered, and what was done for that."""
    name = component.name or stack
    known = {one.name: one for one in client.list_stack_components(type=kind, size=1000).items}
    if name in known and known[name].flavor_name != component.flavor:
        name = f"{name}-{component.flavor}"  # a registered component's flavor cannot be changed
    wanted = component.configuration
    if name not in known:
        return client.create_stack_component(name, component.flavor, kind, configuration=wanted), "registered"
    if known[name].configuration == wanted:
        return known[name], "unchanged"
    dropped = dict.fromkeys(known[name].configuration)
    return client.update_stack_component(name, kind, configuration={**dropped, **wanted}), "updated"


def _register_stack(client: Client, name: str, components: dict[Any, Any]) -> str:
    """What was done to the stack."""
    stacks = client.list_stacks(name=name, hydrate=True)
    if not stacks.total:
        client.create_stack(name, components)
        return "registered"
    registered = stacks.items[0].components
    if {kind: [one.id for one in ones] for kind, ones in registered.items() if ones} == {
        kind: [identity] for kind, identity in components.items()
    }:
        return "unchanged"
    client.update_stack(name, component_updates={**{kind: [] for kind in registered}, **components})
    return "updated"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

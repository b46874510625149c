"""Registers the stack of `stacks/<name>.yaml` and sets it; again, it changes only what the file changed.

python -m stacks.apply local
python -m stacks.apply local --check      # exit code 2 when a remote ZenML server is in the way
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from evergreen.core.errors import EvergreenError, InputError
from stacks.declaration import Component, Declaration, declaration

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import ComponentResponse

ANOTHER_ZENML = 'export ZENML_CONFIG_PATH="$PWD/.zenml"'


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


def remote_store() -> str | None:
    """URL of the ZenML server that this machine is logged in to; None for the local database or `zenml login --local`.

    Read from ZenML's configuration and environment: no connection is made, so a dead server is answered at once too.
    """
    from zenml.config.global_config import GlobalConfiguration
    from zenml.enums import StoreType
    from zenml.utils.server_utils import get_local_server

    store = GlobalConfiguration().get_store_configuration()
    if store.type == StoreType.SQL:
        return None if store.url.startswith("sqlite:") else _without_password(store.url)
    local = get_local_server()
    if local and local.status and local.status.url == store.url:
        return None
    return _without_password(store.url)


def refuse_remote(name: str) -> None:
    """Returns when ZenML works on this machine alone.

    Raises:
        InputError: it is connected to a server, which would list a local stack's artifacts without having them.
    """
    if url := remote_store():
        raise InputError(
            f"ZenML is connected to {url}, and stack '{name}' lives on this machine only; "
            f"give this project a ZenML of its own, or log out (zenml logout)\n  {_own_zenml()}"
        )


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


def _own_zenml() -> str:
    """The shell line that gives this project a ZenML of its own; ZenML's environment would win over its directory."""
    variables = sorted(name for name in os.environ if name.startswith("ZENML_STORE_"))
    unset = f"unset {' '.join(variables)}; " if variables else ""
    return f"{unset}{ANOTHER_ZENML}"


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host).geturl()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

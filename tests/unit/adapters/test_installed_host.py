"""A host that an installed package offers: named in a configuration and asked as one that is shipped."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from evergreen.adapters import kinds
from evergreen.core.kinds import Kinds
from evergreen.core.lease import Lease
from evergreen.core.members import HostSettings, host_of
from orchestration.document import read
from orchestration.schema import check
from tests.endpoint_contract import EndpointContract
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_host import MemoryHostSettings
from tests.offers import offer


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kinds:
    """All kinds of hosts beside a package that offers the kind `memory`."""
    packages = tmp_path / "packages"
    packages.mkdir()
    offer(packages, "memory_host", "evergreen.hosts", "memory", "tests.memory_host:MemoryHostSettings")
    monkeypatch.syspath_prepend(str(packages))
    hosts = Kinds(kinds.HOSTS.group, kinds.HOSTS._shipped)
    monkeypatch.setattr(kinds, "HOSTS", hosts)
    return hosts


def configured(host: Mapping[str, object]) -> HostSettings:
    """As it is read from a configuration."""
    return TypeAdapter(kinds.AnyHost).validate_python(host)


class MemoryTrial:
    def __init__(self, name: str, folder: Path) -> None:
        opened = host_of(configured({"kind": "memory", "name": name})).open("news", folder)
        assert isinstance(opened, MemoryEndpoint)
        self.endpoint = opened

    def model(self, name: str, broken: bool = False) -> tuple[str, Path]:
        self.spoil(name, broken)
        return name, Path(name)

    def spoil(self, version: str, spoilt: bool = True) -> None:
        (self.endpoint.broken.add if spoilt else self.endpoint.broken.discard)(version)

    def die(self) -> None:
        self.endpoint.die()


@pytest.mark.usefixtures("installed")
class TestInstalledHost(EndpointContract):
    @pytest.fixture
    def trial(self, installed: Kinds, tmp_path: Path) -> MemoryTrial:
        return MemoryTrial(str(tmp_path), tmp_path)


def test_it_stands_beside_the_shipped_ones_and_is_known_by_its_package(installed: Kinds) -> None:
    assert configured({"kind": "memory", "name": "a"}) == MemoryHostSettings(name="a")
    assert configured({"kind": "local_endpoint"}).kind == "local_endpoint"
    assert (installed.package("memory"), installed.package("local_endpoint")) == ("memory_host==2.0", None)


@pytest.mark.usefixtures("installed")
def test_it_keeps_the_lease_and_needs_nothing_of_google(tmp_path: Path) -> None:
    host = host_of(configured({"kind": "memory", "name": "leased"}))
    lease = host.lease("news", tmp_path)
    assert lease.write(Lease(), lease.read().generation) == host.lease("news", tmp_path).read().generation
    assert (host.needs(), host.room(), host.mirrors()) == (None, {}, ())


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("host", "mistake"),
    [
        ("{kind: memory, name: a}", None),
        ("{kind: memory, name: a, size: 3}", "('parameters', 'host', 'size') unknown key ('kind', 'name')"),
        (
            "{kind: memroy}",
            "('parameters', 'host', 'kind') unknown kind 'memroy'; did you mean 'memory'? "
            "('local_endpoint', 'memory', 'vertex_endpoint')",
        ),
    ],
)
def test_its_fields_and_its_kind_are_checked_with_the_configuration(
    tmp_path: Path, host: str, mistake: str | None
) -> None:
    config = tmp_path / "own.yaml"
    config.write_text(f"parameters: {{host: {host}}}\n", encoding="utf-8")
    _, mistakes = check(kinds.AnyHost, read(config), ("parameters", "host"))
    assert [f"{entry.path} {entry.message} {entry.allowed}" for entry in mistakes] == [*([mistake] if mistake else [])]

from pathlib import Path

import pytest

from tests.endpoint_contract import EndpointContract
from tests.memory_endpoint import MemoryEndpoint


class MemoryTrial:
    def __init__(self) -> None:
        self.endpoint = MemoryEndpoint()

    def model(self, name: str, broken: bool = False) -> tuple[str, Path]:
        self.spoil(name, broken)
        return name, Path(name)

    def spoil(self, version: str, spoilt: bool = True) -> None:
        (self.endpoint.broken.add if spoilt else self.endpoint.broken.discard)(version)

    def die(self) -> None:
        self.endpoint.die()


class TestMemoryEndpoint(EndpointContract):
    @pytest.fixture
    def trial(self) -> MemoryTrial:
        return MemoryTrial()

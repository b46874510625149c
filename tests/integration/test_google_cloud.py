"""The contract of every endpoint, on the real Vertex AI: an hour, and the price of a few machines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endpoint_contract import EndpointContract
from tests.google_trial import CASSETTE, MISSING, GoogleTrial
from tests.proof.recorder import recording

pytestmark = [
    pytest.mark.gcp,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(bool(MISSING), reason=f"needs a Google Cloud project: set {', '.join(MISSING)}"),
]


@pytest.fixture(scope="module", autouse=True)
def recorded() -> Iterator[None]:
    """Google's answers as fields, where the environment names a file for them."""
    if CASSETTE is None:
        yield
        return
    with recording(Path(CASSETTE)):
        yield


class TestEndpointOnGoogleCloud(EndpointContract):
    """The whole contract, but for what needs a container that dies."""

    @pytest.fixture
    def trial(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GoogleTrial]:
        if request.node.get_closest_marker("kills"):  # before anything is paid for
            pytest.skip("nobody but Google can end Google's machines")
        trial = GoogleTrial(tmp_path)
        yield trial
        trial.remove()

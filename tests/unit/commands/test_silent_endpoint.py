"""What `status` says of an endpoint that has traffic and does not answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from commands.status import endpoint_lines
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.adapters.local_endpoint.state import EndpointFiles, FrontAddress
from evergreen.core.deployment import EndpointStatus
from evergreen.core.shadow import ShadowReport
from tests.endpoint_states import endpoint_state


def test_an_endpoint_whose_front_is_dead_does_not_answer_and_a_run_starts_it_again(tmp_path: Path) -> None:
    files = EndpointFiles(tmp_path / "news")
    files.write_state(endpoint_state(port=8501, versions=("a", "b"), traffic={"a": 100}))
    files.write_address(FrontAddress(pid=os.getpid(), host="127.0.0.1", port=1))  # a recycled process id
    assert endpoint_lines(LocalHost(LocalHostSettings()).open("news", tmp_path).status()) == [
        ("endpoint", "does not answer, its processes ended or hang; a run starts them again"),
        ("traffic", "a 100 %, once it answers again"),
        ("ready", "none"),
    ]


def test_the_page_of_an_endpoint_is_named() -> None:
    live = EndpointStatus(url="http://127.0.0.1:1/predict", traffic={}, ready=(), page="http://127.0.0.1:1/")
    assert ("page", "http://127.0.0.1:1/ to try it in a browser") in endpoint_lines(live)


def test_a_version_that_gets_copies_of_requests_is_told_with_what_came_of_them() -> None:
    shadow = ShadowReport(version="b", copies=1200, failed=3, dropped=40, instances=1197, agreement=0.975)
    status = EndpointStatus(url="http://127.0.0.1:1/predict", traffic={"a": 100}, ready=("a", "b"), shadow=shadow)
    told = "b  1,200 copies, 3 failed, 40 dropped, answers agree to 97.5%"
    assert endpoint_lines(status)[-1] == ("shadow", told)


@pytest.mark.parametrize(
    ("status", "address", "traffic"),
    [
        (
            EndpointStatus(url="http://127.0.0.1:1/predict", traffic={"a": 100}, ready=()),
            "http://127.0.0.1:1/predict does not answer, its processes ended or hang; a run starts them again",
            "a 100 %, once it answers again",
        ),
        (
            EndpointStatus(url="http://127.0.0.1:1/predict", traffic={"a": 90, "b": 10}, ready=("a", "b")),
            "http://127.0.0.1:1/predict",
            "a 90 %, b 10 %",
        ),
        (EndpointStatus(url=None, traffic={}, ready=()), "not running; a version that goes live starts it", "none"),
    ],
    ids=["its versions are dead", "live", "there is none"],
)
def test_an_endpoint_is_shown_with_who_answers(status: EndpointStatus, address: str, traffic: str) -> None:
    assert dict(endpoint_lines(status)[:2]) == {"endpoint": address, "traffic": traffic}

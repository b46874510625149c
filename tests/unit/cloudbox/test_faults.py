"""Rules of faults on demand."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from cloudbox.faults import Fault, add, clear, listed, take
from cloudbox.home import Home

METHOD = "google.cloud.aiplatform.v1.EndpointService/DeployModel"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.mark.parametrize("target", ["DeployModel", "*", "Deploy*", METHOD, "UploadModel,DeployModel"])
def test_a_method_is_named_shortly_wholly_or_by_a_pattern(home: Home, target: str) -> None:
    add(home, Fault(kind="error", target=target))
    assert take(home, "error", METHOD) == Fault(kind="error", target=target)
    assert take(home, "slow", METHOD) is None


def test_a_rule_acts_as_often_as_it_says(home: Home) -> None:
    add(home, Fault(kind="error", target="DeployModel", times=2))
    assert [take(home, "error", METHOD) is not None for _ in range(3)] == [True, True, False]
    assert listed(home) == []


def test_a_rule_without_a_number_acts_until_it_is_cleared(home: Home) -> None:
    quota = Fault(kind="quota", target="n1-standard-4")
    add(home, quota)
    add(home, Fault(kind="slow", seconds=1.5))
    assert all(take(home, "quota", "n1-standard-4") for _ in range(3))
    assert take(home, "quota", "n1-standard-8") is None
    assert clear(home, "quota") == [quota]
    assert [rule.kind for rule in listed(home)] == ["slow"]


def test_an_unknown_code_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValidationError, match="UNAVAILABLE"):
        Fault(kind="error", code="BROKEN")

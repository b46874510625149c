from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic import ValidationError

from evergreen.adapters.vertex import preflight
from evergreen.adapters.vertex.regions import REGIONS, check_region, region_doubt
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.errors import EndpointError, InputError
from evergreen.core.names import SpellingError


def test_the_regions_are_those_of_the_library() -> None:
    google = find_spec("google.cloud")  # imported whole, the library takes seconds
    assert google is not None
    folders = [Path(location) / "aiplatform" for location in google.submodule_search_locations or ()]
    (file,) = (file for folder in folders if (file := folder / "constants" / "base.py").is_file())
    (listed,) = (
        node.value
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SUPPORTED_REGIONS"
    )
    assert isinstance(listed, ast.Call)
    assert set(REGIONS) == set(ast.literal_eval(listed.args[0])) - {"global"}


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_of_the_library_is_taken_without_doubt(region: str) -> None:
    assert check_region(region) == region
    assert region_doubt(region) == ""


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("europe-wst4", "europe-west4"),
        ("erope-west4", "europe-west4"),
        ("eu-west4", "west4"),
        ("us-centrl1", "us-central1"),
        ("Europe West 4", "europe-west4"),
        ("us-1", "us-"),
        ("global", None),
        ("mars", None),
        ("", None),
    ],
)
def test_a_misspelt_region_is_refused_with_the_nearest(given: str, near: str | None) -> None:
    with pytest.raises(SpellingError, match="should be a region of Vertex AI") as caught:
        check_region(given)
    assert ("did you mean" in str(caught.value)) == (near is not None)
    assert (near or "") in str(caught.value)


@pytest.mark.parametrize(
    "region", ["us-west9", "europe-west13", "europe-northwest1", "africa-north1", "antarctica-south1"]
)
def test_a_region_that_may_be_newer_than_the_list_is_taken_and_doubted(region: str) -> None:
    assert check_region(region) == region
    assert "no region that is known here" in region_doubt(region)


def test_an_endpoint_is_in_a_region() -> None:
    with pytest.raises(ValidationError, match=r"did you mean 'europe-west4'\?"):
        VertexHostSettings(project="p", region="europe-wst4", staging="gs://news/models", image="i")


@pytest.mark.parametrize(("region", "doubted"), [("us-west9", True), ("us-west4", False)])
def test_a_region_that_does_not_answer_is_doubted_before_a_run_where_it_may_be_none(
    region: str, doubted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_: object) -> None:
        raise EndpointError("finding the endpoint: no such host")

    monkeypatch.setattr(preflight, "_sign_in", lambda _: None)
    monkeypatch.setattr(EndpointResource, "find", silent)
    host = VertexHostSettings(project="p", region=region, staging="gs://news/models", image="i")
    with pytest.raises(InputError, match=rf"in parameters\.host\.region '{region}'.*: finding the endpoint") as caught:
        preflight.check_reachable(host, "news")
    assert ("no region that is known here" in str(caught.value)) == doubted

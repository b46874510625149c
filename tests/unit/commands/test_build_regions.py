"""Where images are built: the nearest region in which new projects may build, whatever the region of all else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions as api
from google.cloud.devtools import cloudbuild_v1

from cloudbox.box import Box
from cloudbox.errors import ApiError
from cloudbox.gateway import builds as box_builds
from cloudbox.home import Home
from commands.cloud.build_regions import OPEN_REGIONS, build_region
from commands.cloud.builds import Place, build_of, digests_of
from commands.images import main
from commands.parser import parse
from evergreen.core.errors import EvergreenError, InputError

RESTRICTED = Place("news", "europe-west4", "registry", "gs://news/build", "build@news", "sha256:1", "sha256:2")
REFUSAL = "failed precondition: due to quota restrictions, cannot run builds in this region"


@pytest.mark.parametrize(
    ("region", "nearest"),
    [
        ("europe-west4", "europe-west1"),
        ("europe-west1", "europe-west1"),
        ("us-east1", "us-central1"),
        ("us-west4", "us-west2"),
        ("asia-northeast1", "asia-east1"),
        ("australia-southeast2", "australia-southeast1"),
        ("southamerica-west1", "southamerica-east1"),
        ("me-central1", "us-central1"),
    ],
)
def test_the_nearest_open_region_is_taken(region: str, nearest: str) -> None:
    assert build_region(region) == nearest


@pytest.mark.parametrize(("chosen", "region"), [(None, "europe-west1"), ("europe-west4", "europe-west4")])
def test_images_are_built_there_unless_another_region_is_named(
    chosen: str | None, region: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {
        "GOOGLE_CLOUD_PROJECT": "news",
        "GOOGLE_CLOUD_REGION": "europe-west4",
        "EVERGREEN_REGISTRY": "europe-west4-docker.pkg.dev/news/evergreen",
        "EVERGREEN_BUCKET": "gs://news",
        "EVERGREEN_BUILD_ACCOUNT": "build@news.iam.gserviceaccount.com",
        "BASE_DIGEST": f"sha256:{'a' * 64}",
        "BEAM_DIGEST": f"sha256:{'b' * 64}",
        **({"EVERGREEN_BUILD_REGION": chosen} if chosen else {}),
    }
    monkeypatch.delenv("EVERGREEN_BUILD_REGION", raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    main(parse(["images", "--tag", "1.0", "--dry-run"]))
    printed = capsys.readouterr()
    assert printed.err.strip().endswith(f"in {region}")
    assert "europe-west4-docker.pkg.dev/news/evergreen/serving:1.0" in printed.out


def test_bases_come_by_digest_from_where_the_environment_says() -> None:
    place = Place("news", "europe-west1", "registry", "gs://news/build", "build@news", f"sha256:{'a' * 64}", "latest")
    with pytest.raises(InputError, match="BEAM_DIGEST should be sha256: and the image's 64 digits, got 'latest'"):
        build_of(place, "1.0")
    build = build_of(replace(place, beam_digest=f"sha256:{'b' * 64}"), "1.0", {"_DOCKER_HUB": "mirror"})
    filled = dict(build.substitutions)
    assert (filled["_DOCKER_HUB"], filled["_BEAM_DIGEST"]) == ("mirror", f"sha256:{'b' * 64}")


def test_a_refused_region_is_told_with_one_that_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    class Restricted:
        def create_build(self, request: Any) -> Any:
            raise api.FailedPrecondition(REFUSAL)  # type: ignore[no-untyped-call]  # google.api_core has few types

    monkeypatch.setattr(cloudbuild_v1, "CloudBuildClient", Restricted)
    with pytest.raises(InputError, match=r"set EVERGREEN_BUILD_REGION=europe-west1$") as caught:
        digests_of(RESTRICTED, cloudbuild_v1.Build())
    assert f"{REFUSAL}; its log: https://console.cloud.google.com/" in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (api.Aborted("the worker was evicted"), EvergreenError, "failed: the worker was evicted; its log: LOG"),  # type: ignore[no-untyped-call]
        (api.Unknown("step 3 failed"), EvergreenError, "failed: step 3 failed; its log: LOG"),  # type: ignore[no-untyped-call]
        (api.FailedPrecondition("no"), InputError, "refused: no; its log: LOG; new projects"),  # type: ignore[no-untyped-call]
        (api.Unauthenticated("who?"), EvergreenError, "who?; log in: gcloud auth application-default login; its log"),  # type: ignore[no-untyped-call]
        (api.ResourceExhausted("ten"), EvergreenError, "failed: ten; a quota is used up"),  # type: ignore[no-untyped-call]
        (api.PermissionDenied("no"), EvergreenError, "roles/iam.serviceAccountUser on build@news; its log: LOG"),  # type: ignore[no-untyped-call]
    ],
)
def test_a_build_that_failed_leads_to_its_log(
    error: Exception, kind: type[EvergreenError], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Building:
        metadata = cloudbuild_v1.BuildOperationMetadata(build=cloudbuild_v1.Build(log_url="LOG"))

        def create_build(self, request: Any) -> Any:
            return self

        def result(self, timeout: float) -> Any:
            raise error

    monkeypatch.setattr(cloudbuild_v1, "CloudBuildClient", Building)
    with pytest.raises(kind) as caught:
        digests_of(RESTRICTED, cloudbuild_v1.Build())
    assert type(caught.value) is kind
    assert message in str(caught.value)


@pytest.mark.parametrize("region", ["europe-west4", "us-east1"])
def test_the_box_is_as_restricted_as_a_new_project(region: str, tmp_path: Path) -> None:
    builds = box_builds.Builds(Box(Home(tmp_path), "news", 0, region, {}))
    request = cloudbuild_v1.CreateBuildRequest(parent=f"projects/news/locations/{region}")
    with pytest.raises(ApiError, match=REFUSAL) as caught:
        builds.create(request)
    assert caught.value.code.name == "FAILED_PRECONDITION"
    assert set(OPEN_REGIONS) == box_builds.OPEN_REGIONS

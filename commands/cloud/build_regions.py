"""Where Cloud Build may run: new and little used projects are restricted to a few regions, wherever their images go.

build_region("europe-west4")  # europe-west1
"""

from __future__ import annotations

VARIABLE = "EVERGREEN_BUILD_REGION"
OPEN_REGIONS = (
    "us-central1",
    "us-west2",
    "europe-west1",
    "asia-east1",
    "australia-southeast1",
    "southamerica-east1",
)
"""Open to every project: https://cloud.google.com/build/docs/locations#restricted_regions_for_some_projects."""


def build_region(region: str) -> str:
    """The region nearest to this one in which every project may build; itself where it is one of them."""
    if region in OPEN_REGIONS:
        return region
    near = "us-west" if region.startswith("us-west") else f"{region.partition('-')[0]}-"
    return next((open_region for open_region in OPEN_REGIONS if open_region.startswith(near)), OPEN_REGIONS[0])

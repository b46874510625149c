"""The regions of Vertex AI, and whether a name can be one that Google has added since.

europe-wst4    →  refused, for no direction of the compass is called so
europe-west13  →  let through, for Google may have added it

Apart from the settings, for `run.py access` runs on GitHub's machines before anything is installed.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from evergreen.core.names import SpellingError, nearest

REGIONS = (
    *("africa-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3"),
    *("asia-south1", "asia-south2", "asia-southeast1", "asia-southeast2", "australia-southeast1"),
    *("australia-southeast2", "europe-central2", "europe-north1", "europe-north2", "europe-southwest1"),
    *("europe-west1", "europe-west2", "europe-west3", "europe-west4", "europe-west6", "europe-west8"),
    *("europe-west9", "europe-west12", "me-central1", "me-central2", "me-west1", "northamerica-northeast1"),
    *("northamerica-northeast2", "southamerica-east1", "southamerica-west1", "us-central1", "us-east1", "us-east4"),
    *("us-east5", "us-east7", "us-south1", "us-west1", "us-west2", "us-west3", "us-west4", "us-west8"),
)
"""As google-cloud-aiplatform has them, whose import takes seconds: a test holds the two together."""
LISTED_AT = "https://cloud.google.com/vertex-ai/docs/general/locations"
_AREAS = sorted({name.partition("-")[0] for name in REGIONS})
_PLACE = re.compile(r"([a-z]+)-(?:(?:north|south)(?:east|west)?|east|west|central)\d{1,2}")
"""Google names a region by its area and a direction of the compass, so that both can be misspelt, and a number."""


def check_region(name: str) -> str:
    """The name of a region, known or new.

    Raises:
        SpellingError: it is none, nor like one; the message has the nearest.
    """
    place = _PLACE.fullmatch(name)
    if name not in REGIONS and (place is None or _is_misspelt(place[1])):
        raise SpellingError(f"should be a region of Vertex AI, see {LISTED_AT}{nearest(name, REGIONS)}", name)
    return name


def region_doubt(name: str) -> str:
    """`, no region that is known here, …` with the nearest, of one that may be new; nothing of one that is known."""
    if name in REGIONS:
        return ""
    return f", no region that is known here{nearest(name, REGIONS)}, see {LISTED_AT}"


def _is_misspelt(area: str) -> bool:
    """Whether the first word of a name is like that of other regions, and not the same."""
    is_like = get_close_matches(area, _AREAS, n=1, cutoff=0.75) or any(known.startswith(area) for known in _AREAS)
    return area not in _AREAS and bool(is_like)

"""Google projects that a repository delivers to: the repository variable GOOGLE_PROJECTS, one entry a project.

{"news-production": {
    "provider": "projects/123456789012/locations/global/workloadIdentityPools/github/providers/evergreen",
    "service_account": "evergreen-deliver@news-production.iam.gserviceaccount.com",
    "environment": {"MLFLOW_TRACKING_URI": "https://mlflow.example.org", "EVERGREEN_NEWS_TABLE": "news.articles"}}}
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from commands.cloud.build_regions import VARIABLE as BUILD_REGION
from commands.cloud.build_regions import build_region
from evergreen.adapters.vertex.settings import check_region
from evergreen.core.errors import InputError
from evergreen.core.names import SpellingError

VARIABLE = "GOOGLE_PROJECTS"
PROVIDER = re.compile(r"projects/\d+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+")
ACCOUNT = re.compile(r"[a-z0-9-]+@[a-z0-9.:-]+\.gserviceaccount\.com")
PROJECT = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")
SETTABLE = re.compile(r"BASE_DIGEST|BEAM_DIGEST|(EVERGREEN|HF|MLFLOW|ZENML)_[A-Z0-9_]+")
SECRET = re.compile(r"(?<!_KMS_)KEY|PASSWORD|SECRET|TOKEN")
"""Of names; that of a key in Cloud KMS opens nothing."""
FIELDS = {"provider", "service_account", "environment"}
GUIDE = "see Delivery from GitHub in docs/production.md"


@dataclass(frozen=True)
class Access:
    """How GitHub signs in to a project, and the environment variables of everything that is run there."""

    provider: str
    service_account: str
    environment: dict[str, str]


def access_to(project: str, region: str, variable: str) -> Access:
    """The access to one of the projects in the variable's JSON.

    Raises:
        InputError: the variable, the project or its entry cannot be used; the message says what is allowed.
    """
    if not PROJECT.fullmatch(project):
        raise InputError(f"project {project!r} is no id of a Google project, such as news-production")
    try:
        check_region(region)
    except SpellingError as error:
        raise InputError(f"--region {error}") from error
    projects = _projects(variable)
    if project not in projects:
        known = ", ".join(sorted(projects)) or "none"
        raise InputError(f"project {project!r} is not in {VARIABLE} (has: {known}); {GUIDE}")
    where = f"{VARIABLE}: {project}"
    entry = _entry(where, projects[project])
    return Access(
        provider=_matching(where, entry, "provider", PROVIDER, "projects/NUMBER/…/providers/NAME"),
        service_account=_matching(where, entry, "service_account", ACCOUNT, "NAME@PROJECT.iam.gserviceaccount.com"),
        environment={**names_of(project, region), **_environment(where, entry.get("environment", {}))},
    )


def names_of(project: str, region: str) -> dict[str, str]:
    """The names that docs/production.md gives to what it makes in a project."""
    accounts = f"{project}.iam.gserviceaccount.com"
    return {
        "GOOGLE_CLOUD_PROJECT": project,
        "GOOGLE_CLOUD_REGION": region,
        BUILD_REGION: build_region(region),
        "EVERGREEN_BIGQUERY_LOCATION": region,
        "EVERGREEN_BUCKET": f"gs://{project}-evergreen",
        "EVERGREEN_NEWS_TABLE": f"{project}.news.articles",
        "EVERGREEN_ENCODER": "distilbert/distilbert-base-uncased",
        "EVERGREEN_PETS": f"gs://{project}-evergreen/pets",
        "EVERGREEN_IMAGE_ENCODER": "google/mobilenet_v2_1.0_224",
        "EVERGREEN_REGISTRY": f"{region}-docker.pkg.dev/{project}/evergreen",
        "EVERGREEN_DOCKER_HUB": f"{region}-docker.pkg.dev/{project}/docker-hub",
        "EVERGREEN_PIPELINE_ACCOUNT": f"evergreen-pipeline@{accounts}",
        "EVERGREEN_SERVING_ACCOUNT": f"evergreen-serving@{accounts}",
        "EVERGREEN_BUILD_ACCOUNT": f"evergreen-build@{accounts}",
    }


def _projects(variable: str) -> dict[str, Any]:
    if not variable.strip():
        raise InputError(f"{VARIABLE} is not set; make it a variable of the repository, {GUIDE}")
    try:
        projects = json.loads(variable)
    except ValueError as error:
        raise InputError(f"{VARIABLE} is not JSON: {error}; {GUIDE}") from error
    if not isinstance(projects, dict):
        raise InputError(f"{VARIABLE} should be an object, one entry a project, got {type(projects).__name__}; {GUIDE}")
    return projects


def _entry(where: str, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise InputError(f"{where}: should be an object with {', '.join(sorted(FIELDS))}, got {type(entry).__name__}")
    if unknown := sorted(set(entry) - FIELDS):
        raise InputError(f"{where}: unknown {', '.join(unknown)} (allowed: {', '.join(sorted(FIELDS))})")
    return entry


def _matching(where: str, entry: dict[str, Any], field: str, pattern: re.Pattern[str], example: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InputError(f"{where}: {field} should be {example}, got {value!r}")
    return value


def _environment(where: str, values: Any) -> dict[str, str]:
    if not isinstance(values, dict):
        raise InputError(f"{where}: environment should be an object, got {type(values).__name__}")
    for name, value in values.items():
        if SECRET.search(name):
            raise InputError(
                f"{where}: {name} is a secret, which a variable shows; make it a secret of the environment"
            )
        if not SETTABLE.fullmatch(name):
            raise InputError(
                f"{where}: {name} cannot be set "
                "(allowed: BASE_DIGEST, BEAM_DIGEST, EVERGREEN_…, HF_…, MLFLOW_…, ZENML_…)"
            )
        if not isinstance(value, str) or not value.isprintable():
            raise InputError(f"{where}: {name} should be one line of text, got {value!r}")
    return values

"""What `run.py doctor` asks of a project: is it switched on, is it there, who may do what. Nothing is changed by it.

The answers are what `python -m cloudbox setup docs/production.md` took for done. They are no IAM: no call of another
service is refused by them. Quotas are unlimited.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cloudbox.box import Box
from cloudbox.errors import not_found
from cloudbox.ledger.setup import PROJECT, Setup

UNLIMITED = "-1"
_ACCOUNT = "/v1/projects/-/serviceAccounts/{email}"
_REPOSITORY = "/v1/projects/{project}/locations/{location}/repositories/{repository}"


def routes(box: Box) -> dict[str, list[Route]]:
    """The questions that are answered, by host."""
    return {
        "cloudresourcemanager.googleapis.com": [
            _post("/v1/projects/{project}:getIamPolicy", box, _project_policy),
            _post("/v1/projects/{project}:getAncestry", box, _ancestry),
            _get("/v1/projects/{project}", box, _project),
        ],
        "serviceusage.googleapis.com": [
            _get("/v1/projects/{project}/services:batchGet", box, _services),
            _get("/v1beta1/projects/{project}/services/{service}/consumerQuotaMetrics/{metric:path}", box, _quota),
        ],
        "iam.googleapis.com": [
            _post(f"{_ACCOUNT}:getIamPolicy", box, _account_policy),
            _get(_ACCOUNT, box, _account),
        ],
        "artifactregistry.googleapis.com": [
            _get(f"{_REPOSITORY}:getIamPolicy", box, _repository_policy),
            _get(f"{_REPOSITORY}/packages/{{package}}/tags/{{tag}}", box, _image),
            _get(f"{_REPOSITORY}/packages/{{package}}/versions/{{digest}}", box, _image),
            _get(_REPOSITORY, box, _repository),
        ],
        "storage.googleapis.com": [
            _get("/storage/v1/b/{bucket}/iam", box, _bucket_policy),
            _get("/storage/v1/b/{bucket}", box, _bucket),
        ],
    }


def _get(path: str, box: Box, answer: Any) -> Route:
    return Route(path, partial(answer, box), methods=["GET"])


def _post(path: str, box: Box, answer: Any) -> Route:
    return Route(path, partial(answer, box), methods=["POST"])


async def _project(box: Box, request: Request) -> Response:
    _check_project(box, request)
    return JSONResponse({"projectId": box.project, "projectNumber": str(box.project_number)})


async def _ancestry(box: Box, request: Request) -> Response:
    _check_project(box, request)
    return JSONResponse({"ancestor": [{"resourceId": {"type": "project", "id": box.project}}]})


async def _services(box: Box, request: Request) -> Response:
    _check_project(box, request)
    enabled = Setup.of(box.home).services
    states = {name: name.rpartition("/")[2] in enabled for name in request.query_params.getlist("names")}
    return JSONResponse(
        {"services": [{"name": name, "state": "ENABLED" if on else "DISABLED"} for name, on in states.items()]}
    )


async def _quota(box: Box, request: Request) -> Response:
    _check_project(box, request)
    return JSONResponse({"consumerQuotaLimits": [{"quotaBuckets": [{"effectiveLimit": UNLIMITED}]}]})


async def _project_policy(box: Box, request: Request) -> Response:
    _check_project(box, request)
    return _policy(box, PROJECT)


async def _account(box: Box, request: Request) -> Response:
    email = request.path_params["email"]
    if email not in Setup.of(box.home).accounts:
        raise not_found("Service account", email)
    return JSONResponse({"email": email})


async def _account_policy(box: Box, request: Request) -> Response:
    return _policy(box, f"account {request.path_params['email']}")


async def _repository(box: Box, request: Request) -> Response:
    _check_repository(box, request)
    return JSONResponse({"format": "DOCKER"})


async def _repository_policy(box: Box, request: Request) -> Response:
    _check_repository(box, request)
    return _policy(box, f"repository {request.path_params['repository']}")


async def _image(box: Box, request: Request) -> Response:
    _check_repository(box, request)
    given = request.path_params
    version = f":{given['tag']}" if "tag" in given else f"@{given['digest']}"
    repository = f"{given['location']}-docker.pkg.dev/{given['project']}/{given['repository']}"
    name = f"{repository}/{given['package']}{version}"
    if name not in json.loads(box.home.images.read_text(encoding="utf-8")):
        raise not_found("Image", name)
    return JSONResponse({"name": name})


async def _bucket(box: Box, request: Request) -> Response:
    """As the storage service tells it."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{box.url('gcs')}/storage/v1/b/{request.path_params['bucket']}")
    return Response(answer.content, answer.status_code, media_type="application/json")


async def _bucket_policy(box: Box, request: Request) -> Response:
    response = await _bucket(box, request)
    return (
        _policy(box, f"bucket {request.path_params['bucket']}") if response.status_code == httpx.codes.OK else response
    )


def _policy(box: Box, resource: str) -> Response:
    bindings: list[dict[str, Any]] = []
    for binding in Setup.of(box.home).policies.get(resource, ()):
        condition = {"condition": {"expression": binding.condition}} if binding.condition else {}
        bindings.append({"role": binding.role, "members": [binding.member], **condition})
    return JSONResponse({"version": 3, "bindings": bindings})


def _check_project(box: Box, request: Request) -> None:
    project = request.path_params["project"]
    if project not in {box.project, str(box.project_number)}:
        raise not_found("Project", project)


def _check_repository(box: Box, request: Request) -> None:
    _check_project(box, request)
    repository, location = request.path_params["repository"], request.path_params["location"]
    if location != box.region or repository not in Setup.of(box.home).repositories:
        raise not_found("Repository", f"{repository} in {location}")

"""The addresses that the Hub's client asks for; one that is not here is refused and recorded.

A part of an address may hold an encoded slash (`revision/refs%2Fpr%2F1`), so addresses are taken apart before decoding.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cloudbox import faults
from cloudbox.errors import ApiError
from cloudbox.hub.access import Call
from cloudbox.hub.failures import HubError, no_repository
from cloudbox.hub.files import Files
from cloudbox.hub.methods import Methods
from cloudbox.hub.repositories import KINDS
from cloudbox.rpc import Dispatcher

log = logging.getLogger(__name__)

_REPOSITORY = "api/{kind}/{namespace}/{name}"
_EVERY = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
Answer = Callable[[Call], Any]


@dataclass(frozen=True)
class Rest:
    """All methods over one set of repositories."""

    methods: Methods
    files: Files
    dispatcher: Dispatcher

    def app(self) -> Starlette:
        """The web application."""
        return Starlette(
            routes=[
                Route("/health", lambda request: PlainTextResponse("ok")),  # noqa: ARG005 (a route's signature)
                Route("/storage/{sha256}", self.files.upload, methods=["PUT"]),
                Route("/storage/{sha256}", self.files.download),
                Route("/{rest:path}", self._answer_any, methods=_EVERY),
            ]
        )

    def _table(self) -> list[tuple[str, str, str, Answer]]:
        methods, files = self.methods, self.files
        return [
            ("GET", "api/whoami-v2", "WhoAmI", methods.whoami),
            ("GET", "api/agent-harnesses", "AgentHarnesses", methods.agent_harnesses),
            ("POST", "api/validate-yaml", "ValidateYaml", methods.validate_yaml),
            ("POST", "api/repos/create", "CreateRepo", methods.create),
            ("DELETE", "api/repos/delete", "DeleteRepo", methods.delete),
            ("GET", _REPOSITORY, "RepoInfo", methods.info),
            ("GET", f"{_REPOSITORY}/revision/{{revision}}", "RepoInfo", methods.info),
            ("GET", f"{_REPOSITORY}/auth-check", "AuthCheck", methods.auth_check),
            ("GET", f"{_REPOSITORY}/auth-check/write", "AuthCheck", methods.auth_check_write),
            ("PUT", f"{_REPOSITORY}/settings", "UpdateSettings", methods.settings),
            ("POST", f"{_REPOSITORY}/secrets", "AddSecret", methods.add_secret),
            ("GET", f"{_REPOSITORY}/secrets", "ListSecrets", methods.secrets),
            ("GET", f"{_REPOSITORY}/refs", "ListRefs", methods.refs),
            ("GET", f"{_REPOSITORY}/commits/{{revision}}", "ListCommits", methods.commits),
            ("GET", f"{_REPOSITORY}/tree/{{revision}}", "ListTree", methods.tree),
            ("GET", f"{_REPOSITORY}/tree/{{revision}}/{{folder}}", "ListTree", methods.tree),
            ("POST", f"{_REPOSITORY}/paths-info/{{revision}}", "PathsInfo", methods.paths_info),
            ("POST", f"{_REPOSITORY}/preupload/{{revision}}", "Preupload", methods.preupload),
            ("POST", f"{_REPOSITORY}/commit/{{revision}}", "Commit", methods.make_commit),
            ("POST", f"{_REPOSITORY}/branch/{{branch}}", "CreateBranch", methods.create_branch),
            ("DELETE", f"{_REPOSITORY}/branch/{{branch}}", "DeleteBranch", methods.delete_branch),
            ("POST", f"{_REPOSITORY}/tag/{{revision}}", "CreateTag", methods.create_tag),
            ("DELETE", f"{_REPOSITORY}/tag/{{tag}}", "DeleteTag", methods.delete_tag),
            ("POST", "{kind}/{namespace}/{name}/info/lfs/objects/batch", "LfsBatch", files.batch),
            ("POST", "{kind}/{namespace}/{name}/info/lfs/objects/verify", "LfsVerify", files.verify),
            ("GET", "{kind}/{namespace}/{name}/resolve/{revision}/*", "Download", files.resolve),
            ("HEAD", "{kind}/{namespace}/{name}/resolve/{revision}/*", "Download", files.resolve),
        ]

    async def _answer_any(self, request: Request) -> Response:
        parts = _parts(request.scope["raw_path"].decode())
        for verb, pattern, name, method in self._table():
            path = _matched(pattern.split("/"), parts)
            if verb == request.method and path is not None and path.get("kind", KINDS[0]) in KINDS:
                call = Call(
                    self.methods.repositories,
                    path,
                    dict(request.query_params),
                    await request.body(),
                    request.headers.get("authorization", ""),
                    str(request.base_url).rstrip("/"),
                )
                return await run_in_threadpool(self._answer, name, method, call)
        if parts[0] == "api" and len(parts) in (3, 5) and parts[1] in KINDS and parts[3:4] in ([], ["revision"]):
            return _failure(no_repository(anonymous="authorization" not in request.headers))  # a name without namespace
        error = self.dispatcher.refuse(f"hub {request.method} {request.url.path}")
        return _failure(HubError(error.http_status, error.message))

    def _answer(self, name: str, method: Answer, call: Call) -> Response:
        full = f"huggingface.Hub/{name}"
        try:
            self.dispatcher.suffer(full)
            call.check_token()
            answer = method(call)
            if lost := faults.take(self.dispatcher.home, "answer-lost", full):
                return _failure(HubError(503, f"{lost.code} by a fault on demand after {name}."))
        except ApiError as error:
            return _failure(HubError(error.http_status, error.message))
        except HubError as error:
            return _failure(error)
        except (KeyError, TypeError, ValueError) as error:
            return _failure(HubError(400, f"Invalid value or missing: {error}"))
        except Exception as error:
            log.exception("%s failed", name)
            refused = self.dispatcher.refuse(f"hub {name}: {type(error).__name__}: {error}")
            return _failure(HubError(refused.http_status, refused.message))
        return answer if isinstance(answer, Response) else JSONResponse(answer)


def _failure(error: HubError) -> Response:
    return JSONResponse(error.body, error.status, error.headers)


def _parts(address: str) -> list[str]:
    """The decoded parts of an address; files and LFS of models, whose addresses name no kind, are given theirs."""
    parts = [unquote(part) for part in address.strip("/").split("/")]
    if parts[0] not in ("api", *KINDS):
        parts = [KINDS[0], *parts]
    if len(parts) > 3 and parts[2].endswith(".git"):
        parts[2] = parts[2].removesuffix(".git")
    return parts


def _matched(pattern: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    """The named parts of an address that has a pattern's shape; `*` takes all that is left as `path`."""
    values: dict[str, str] = {}
    for index, expected in enumerate(pattern):
        if expected == "*" and len(parts) > index:
            return values | {"path": "/".join(parts[index:])}
        if index >= len(parts):
            return None
        if expected.startswith("{"):
            values[expected[1:-1]] = parts[index]
        elif expected != parts[index]:
            return None
    return values if len(parts) == len(pattern) else None

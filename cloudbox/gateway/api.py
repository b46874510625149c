"""The small Google HTTP interfaces: sign-in with a service account's key, and what clients ask on the way.

Who signed in is written down with each call, and not looked at otherwise: the box has no IAM.
"""

from __future__ import annotations

import json
from functools import partial
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from google.auth import jwt
from google.auth.exceptions import GoogleAuthError
from google.cloud import resourcemanager_v3 as resourcemanager
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Host, Route, Router

from cloudbox import refusals
from cloudbox.box import HOST, Box
from cloudbox.credentials import service_account
from cloudbox.errors import ApiError, not_found
from cloudbox.gateway import setup
from cloudbox.gateway.projects import GET_PROJECT
from cloudbox.ledger.calls import caller, principal_of, token_of
from cloudbox.rpc import Dispatcher, raw

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
TOKEN_LIFETIME_S = 3599


def application(box: Box, dispatcher: Dispatcher) -> Starlette:
    """The application; it is served as plain HTTP on loopback and as HTTPS behind the proxy.

    A path belongs to one host: a Google API that the box lacks must not be answered by another's.
    """
    project = Route("/v3/projects/{project}", partial(_project, dispatcher))
    token = Route("/token", partial(_token, box), methods=["POST"])
    boundary = Route("/v1/projects/-/serviceAccounts/{email}/allowedLocations", partial(_allowed_locations, box))
    hosts = {
        HOST: [token, Route("/health", _health)],
        "oauth2.googleapis.com": [token],
        "iamcredentials.googleapis.com": [boundary],
    }
    for host, questions in setup.routes(box).items():
        hosts[host] = [*hosts.get(host, ()), *questions]
    hosts["cloudresourcemanager.googleapis.com"].append(project)
    unknown = Route("/{path:path}", partial(_unknown, dispatcher), methods=METHODS)
    return Starlette(
        routes=[*(Host(host, Router([*routes, unknown])) for host, routes in hosts.items()), unknown],
        exception_handlers={ApiError: _error},
    )


async def _health(request: Request) -> Response:  # noqa: ARG001 (a route's signature)
    return PlainTextResponse("ok")


async def _token(box: Box, request: Request) -> Response:
    """An access token for an assertion that the box's own key signed (RFC 7523, as Google answers it)."""
    form = parse_qs((await request.body()).decode())
    if form.get("grant_type") != [GRANT]:
        return _oauth_error(
            "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}; the box has {GRANT}"
        )
    key_file = json.loads(box.home.credentials.read_text())
    private = serialization.load_pem_private_key(key_file["private_key"].encode(), password=None)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    audiences = [key_file["token_uri"], "https://oauth2.googleapis.com/token"]
    try:
        claims = jwt.decode(  # type: ignore[no-untyped-call]  # google-auth has few types
            form.get("assertion", [""])[0], certs=public, audience=audiences
        )
    except (GoogleAuthError, ValueError) as error:
        return _oauth_error("invalid_grant", f"Invalid JWT Signature or claims: {error}")
    email = str(claims.get("iss"))
    if not _is_known(box, email):
        return _oauth_error("invalid_grant", f"Invalid grant: account not found: {claims.get('iss')}")
    if "target_audience" in claims:
        refusals.record(box.home, "gateway", "POST /token for an ID token")
        return _oauth_error("invalid_request", "the box hands out access tokens, no ID tokens")
    return JSONResponse({"access_token": token_of(email), "expires_in": TOKEN_LIFETIME_S, "token_type": "Bearer"})


def _is_known(box: Box, email: str) -> bool:
    """Whether it is the box's own account, or one that a container ran as."""
    return email == service_account(box) or ("/" not in email and box.home.account(email).is_file())


async def _allowed_locations(box: Box, request: Request) -> Response:
    """No regional boundary; google-auth asks for it whenever it fetches a token."""
    if not _is_known(box, request.path_params["email"]):
        raise not_found("Service account", request.path_params["email"])
    return JSONResponse({"locations": [], "encodedLocations": "0x0"})


async def _project(dispatcher: Dispatcher, request: Request) -> Response:
    caller.set(principal_of(request.headers.get("authorization", "")))
    asked = resourcemanager.GetProjectRequest(name=f"projects/{request.path_params['project']}")
    reply = await run_in_threadpool(dispatcher.call, GET_PROJECT, asked)
    return JSONResponse(json_format.MessageToDict(raw(reply.message)))


async def _unknown(dispatcher: Dispatcher, request: Request) -> Response:
    raise dispatcher.refuse(f"{request.method} {request.url.hostname}{request.url.path}")


async def _error(request: Request, error: Exception) -> Response:  # noqa: ARG001 (an exception handler's signature)
    if not isinstance(error, ApiError):
        raise error
    return JSONResponse(error.body(), status_code=error.http_status)


def _oauth_error(error: str, description: str) -> JSONResponse:
    return JSONResponse({"error": error, "error_description": description}, status_code=400)

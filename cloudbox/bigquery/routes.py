"""BigQuery's REST methods, each under the name that Google gives it, e.g. `jobs.insert`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cloudbox.bigquery.datasets import Datasets
from cloudbox.bigquery.failures import BigQueryError, invalid
from cloudbox.bigquery.inserts import insert_rows
from cloudbox.bigquery.jobs import Jobs, Page
from cloudbox.bigquery.schemas import Field
from cloudbox.bigquery.tables import TableName, Tables
from cloudbox.bigquery.uploads import Uploads, save_multipart
from cloudbox.bigquery.warehouse import Resource
from cloudbox.errors import ApiError
from cloudbox.ledger.calls import caller, principal_of
from cloudbox.rpc import Dispatcher

log = logging.getLogger(__name__)

_ROOT = "/bigquery/v2/projects/{project}"
_DATASET = _ROOT + "/datasets/{dataset}"
_TABLE = _DATASET + "/tables/{table}"
_LISTED: tuple[str, ...] = (
    "id",
    "kind",
    "datasetReference",
    "tableReference",
    "labels",
    "location",
    "type",
    "friendlyName",
)
_LISTED += ("timePartitioning", "clustering", "creationTime", "expirationTime")
_FAULT_REASONS = {429: "rateLimitExceeded", 503: "backendError", 500: "internalError", 403: "accessDenied"}


@dataclass(frozen=True)
class Call:
    """One request, read."""

    path: dict[str, str]
    options: dict[str, str]
    headers: dict[str, str]
    content: bytes = field(repr=False)

    @property
    def project(self) -> str:
        """The project in the address."""
        return self.path["project"]

    @property
    def table(self) -> TableName:
        """The table in the address."""
        return TableName(self.project, self.path["dataset"], self.path["table"])

    @property
    def body(self) -> Resource:
        """The JSON body. Raises BigQueryError for anything else."""
        try:
            parsed = json.loads(self.content or b"{}")
        except ValueError as error:
            raise invalid(f"Invalid JSON payload received. {error}") from error
        if not isinstance(parsed, dict):
            raise invalid("Invalid JSON payload received. Not an object.")
        return parsed

    def flag(self, name: str) -> bool:
        """Whether an option is given as true."""
        return self.options.get(name, "false").lower() == "true"

    def page(self) -> Page:
        """The rows that are asked for."""
        start = int(self.options.get("pageToken") or self.options.get("startIndex") or 0)
        return Page(start, int(self.options.get("maxResults", 10_000)), self.flag("formatOptions.useInt64Timestamp"))


@dataclass(frozen=True)
class Rest:
    """The methods over one warehouse."""

    datasets: Datasets
    tables: Tables
    jobs: Jobs
    uploads: Uploads
    dispatcher: Dispatcher

    def app(self) -> Starlette:
        """The web application; whatever it has no method for is refused and recorded."""
        routes = [
            Route(path, self._endpoint(name, method), methods=[verb]) for verb, path, name, method in self._table()
        ]
        every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return Starlette(routes=[*routes, Route("/{rest:path}", self._refuse, methods=every)])

    def _table(self) -> list[tuple[str, str, str, Callable[[Call], Any]]]:
        datasets, tables, jobs = self.datasets, self.tables, self.jobs
        return [
            ("GET", "/bigquery/v2/projects", "projects.list", lambda _: self._projects()),
            ("GET", f"{_ROOT}/datasets", "datasets.list", lambda c: _listing("dataset", datasets.listed(c.project), c)),
            ("POST", f"{_ROOT}/datasets", "datasets.insert", lambda c: datasets.insert(c.project, c.body)),
            ("GET", _DATASET, "datasets.get", lambda c: datasets.get(c.project, c.path["dataset"])),
            ("PATCH", _DATASET, "datasets.patch", self._patch_dataset),
            ("DELETE", _DATASET, "datasets.delete", self._delete_dataset),
            ("GET", f"{_DATASET}/tables", "tables.list", self._list_tables),
            ("POST", f"{_DATASET}/tables", "tables.insert", self._insert_table),
            ("GET", _TABLE, "tables.get", lambda c: tables.get(c.table)),
            ("PATCH", _TABLE, "tables.patch", lambda c: tables.patch(c.table, c.body, c.headers.get("if-match"))),
            ("DELETE", _TABLE, "tables.delete", lambda c: tables.delete(c.table)),
            ("GET", f"{_TABLE}/data", "tabledata.list", self._list_rows),
            ("POST", f"{_TABLE}/insertAll", "tabledata.insertAll", lambda c: insert_rows(tables, c.table, c.body)),
            ("POST", f"{_ROOT}/jobs", "jobs.insert", lambda c: jobs.insert(c.project, c.body)),
            ("GET", f"{_ROOT}/jobs", "jobs.list", lambda c: _listing("job", jobs.listed(c.project), c)),
            ("GET", f"{_ROOT}/jobs/{{job}}", "jobs.get", lambda c: jobs.get(c.project, c.path["job"])),
            ("POST", f"{_ROOT}/jobs/{{job}}/cancel", "jobs.cancel", self._cancel),
            ("POST", f"{_ROOT}/queries", "jobs.query", lambda c: jobs.query(c.project, c.body)),
            ("GET", f"{_ROOT}/queries/{{job}}", "jobs.getQueryResults", self._query_results),
            ("POST", f"/upload{_ROOT}/jobs", "jobs.insert", self._upload),
            ("PUT", f"/upload{_ROOT}/jobs", "jobs.insert", self._upload_chunk),
        ]

    def _endpoint(self, name: str, method: Callable[[Call], Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            call = Call(request.path_params, dict(request.query_params), dict(request.headers), await request.body())
            return await run_in_threadpool(self._answer, name, method, call)

        return answer

    def _answer(self, name: str, method: Callable[[Call], Any], call: Call) -> Response:
        caller.set(principal_of(call.headers.get("authorization", "")))
        try:
            self.dispatcher.suffer(f"google.cloud.bigquery.v2/{name}")
            answer = method(call)
        except ApiError as error:
            reason = _FAULT_REASONS.get(error.http_status, "invalid")
            body = error.body()
            body["error"]["errors"] = [{"domain": "global", "reason": reason, "message": error.message}]
            return JSONResponse(body, error.http_status)
        except BigQueryError as error:
            if error.reason == "notImplemented":
                self.dispatcher.refuse(f"bigquery {name}: {error.message}")
            return JSONResponse(error.body, error.code)
        except (KeyError, ValueError) as error:
            failure = invalid(f"Invalid value or missing: {error}")
            return JSONResponse(failure.body, failure.code)
        except Exception as error:
            # Clients ask again for ten minutes after a 500; a fault of the box must show at once.
            log.exception("%s failed", name)
            refused = self.dispatcher.refuse(f"bigquery {name}: {type(error).__name__}: {error}")
            return JSONResponse(refused.body(), refused.http_status)
        if isinstance(answer, Response):
            return answer
        return JSONResponse(answer) if answer is not None else Response(status_code=204)

    async def _refuse(self, request: Request) -> Response:
        error = self.dispatcher.refuse(f"bigquery {request.method} {request.url.path}")
        return JSONResponse(error.body(), error.http_status)

    def _projects(self) -> Resource:
        names = self.datasets.warehouse.projects
        return {"projects": [{"id": name, "projectReference": {"projectId": name}} for name in names]}

    def _patch_dataset(self, call: Call) -> Resource:
        return self.datasets.patch(call.project, call.path["dataset"], call.body, call.headers.get("if-match"))

    def _delete_dataset(self, call: Call) -> None:
        self.datasets.delete(call.project, call.path["dataset"], contents=call.flag("deleteContents"))

    def _list_tables(self, call: Call) -> Resource:
        return _listing("table", self.tables.listed(call.project, call.path["dataset"]), call)

    def _insert_table(self, call: Call) -> Resource:
        body = call.body
        return self.tables.insert(
            TableName(call.project, call.path["dataset"], body["tableReference"]["tableId"]), body
        )

    def _list_rows(self, call: Call) -> Resource:
        page = call.page().of(self.tables, call.table)
        del page["schema"]
        return page | {"kind": "bigquery#tableDataList"}

    def _cancel(self, call: Call) -> Resource:
        """A job that was asked for soon ends by itself; as with Google, cancelling promises nothing."""
        return {"kind": "bigquery#jobCancelResponse", "job": self.jobs.get(call.project, call.path["job"])}

    def _query_results(self, call: Call) -> Resource:
        timeout_s = int(call.options.get("timeoutMs", 10_000)) / 1000
        return self.jobs.results(call.project, call.path["job"], call.page(), timeout_s)

    def _upload(self, call: Call) -> Resource | Response:
        if call.options.get("uploadType") == "multipart":
            job, path = save_multipart(call.headers["content-type"], call.content, self.uploads.folder)
            return self.jobs.insert(call.project, job, [path])
        name = self.uploads.start(call.body)
        host = call.headers.get("host", "bigquery.googleapis.com")
        place = f"https://{host}/upload/bigquery/v2/projects/{call.project}/jobs?uploadType=resumable&upload_id={name}"
        return Response(headers={"Location": place})

    def _upload_chunk(self, call: Call) -> Resource | Response:
        arrived = self.uploads.append(call.options["upload_id"], call.headers["content-range"], call.content)
        if isinstance(arrived, int):
            return Response(status_code=308, headers={"Range": f"bytes=0-{arrived - 1}"} if arrived else {})
        job, path = arrived
        return self.jobs.insert(call.project, job, [path])


def _listing(kind: str, resources: list[Resource], call: Call) -> Resource:
    """A page of resources; those of jobs are whole, others what Google lists of them."""
    start = int(call.options.get("pageToken") or 0)
    end = start + min(int(call.options.get("maxResults", 1000)), 1000)
    keys: tuple[str, ...] | None = None if kind == "job" else _LISTED
    listed: list[Field] = [
        resource if keys is None else {key: resource[key] for key in keys if key in resource}
        for resource in resources[start:end]
    ]
    answer: Resource = {"kind": f"bigquery#{kind}List", f"{kind}s": listed}
    return answer | ({"nextPageToken": str(end)} if end < len(resources) else {})

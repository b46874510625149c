"""Jobs: `jobs.insert`, `get`, `list`, `cancel`, `getQueryResults`, `query`; run in the background, kept on disk."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from cloudbox.bigquery import objects
from cloudbox.bigquery.copies import Copies
from cloudbox.bigquery.datasets import DEFAULT_LOCATION, now_ms, with_etag
from cloudbox.bigquery.failures import BigQueryError, duplicate, invalid, not_found, not_simulated
from cloudbox.bigquery.loads import Loads
from cloudbox.bigquery.queries import Queries
from cloudbox.bigquery.tables import TableName, Tables
from cloudbox.bigquery.values import row_json
from cloudbox.bigquery.warehouse import Resource, Warehouse

_SHORT_S = 0.5
"""How long `jobs.insert` waits for a short job before it answers that the job runs."""
_PAGE_ROWS = 10_000


@dataclass
class Jobs:
    """The jobs of all projects."""

    warehouse: Warehouse
    tables: Tables
    uploads: Path
    refuse: Callable[[str], object]
    _workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "job"))
    _running: dict[tuple[str, str], Future[None]] = field(default_factory=dict)

    def end_lost(self) -> None:
        """Fails the jobs that ran when the service died; call it before anything is asked."""
        for project in self.warehouse.projects:
            for job in self.warehouse.listed(project, "job"):
                if job["status"]["state"] != "DONE":
                    self._end(project, job, BigQueryError("stopped", "the service stopped while the job ran"))

    def close(self) -> None:
        """Waits for the running jobs and takes no more."""
        self._workers.shutdown(wait=True, cancel_futures=True)

    def insert(self, project: str, body: Resource, uploaded: Sequence[Path] = ()) -> Resource:
        """The new job, done already where it was short; a dry run checks and is kept nowhere."""
        configuration = body.get("configuration", {})
        kind = next((known for known in ("query", "load", "copy") if known in configuration), None)
        if kind is None:
            raise not_simulated(f"jobs of type {', '.join(configuration) or 'none'}")
        job = _new_job(project, body | {"configuration": configuration | {"jobType": kind.upper()}})
        if configuration.get("dryRun"):
            return self._dry(project, job)
        name = job["jobReference"]["jobId"]
        with self.warehouse.changing() as cursor:
            if self.warehouse.find(project, "job", name):
                raise duplicate("Job", f"{project}:{job['jobReference']['location']}.{name}")
            self.warehouse.put(cursor, project, "job", name, job)
        work = self._workers.submit(self._run, project, job, tuple(uploaded))
        self._running[project, name] = work
        wait([work], timeout=_SHORT_S)
        return self.get(project, name)

    def get(self, project: str, name: str) -> Resource:
        """The job. Raises BigQueryError where there is none."""
        job = self.warehouse.find(project, "job", name)
        if job is None:
            raise not_found("Job", f"{project}:{name}")
        return job

    def listed(self, project: str) -> list[Resource]:
        """All jobs, the latest first."""
        jobs = self.warehouse.listed(project, "job")
        return sorted(jobs, key=lambda job: int(job["statistics"]["creationTime"]), reverse=True)

    def query(self, project: str, request: Resource) -> Resource:
        """`jobs.query`: the first page of what the query answers."""
        about = ("dryRun", "labels", "jobTimeoutMs")
        beside = {"kind", "maxResults", "timeoutMs", "requestId", "location", "formatOptions", "jobCreationMode"}
        configuration = {key: request[key] for key in about if key in request}
        configuration["query"] = {key: request[key] for key in request if key not in beside | set(about)}
        body = {"configuration": configuration, "jobReference": {"location": request.get("location")}}
        job = self.insert(project, body)
        if request.get("dryRun"):
            statistics = job["statistics"]
            return {
                "kind": "bigquery#queryResponse",
                "jobComplete": True,
                "schema": statistics["query"].get("schema"),
                "jobReference": {"projectId": project, "location": job["jobReference"]["location"]},
                "totalBytesProcessed": statistics["totalBytesProcessed"],
            }
        options = request.get("formatOptions", {})
        page = Page(0, request.get("maxResults", _PAGE_ROWS), bool(options.get("useInt64Timestamp")))
        answer = self.results(project, job["jobReference"]["jobId"], page, request.get("timeoutMs", 10_000) / 1000)
        return answer | {"kind": "bigquery#queryResponse"}

    def results(self, project: str, name: str, page: Page, timeout_s: float) -> Resource:
        """A page of a query's answer, or that it is not complete. Raises what the query failed with."""
        running = self._running.get((project, name))
        if running:
            wait([running], timeout=timeout_s)
        job = self.get(project, name)
        answer = {"kind": "bigquery#getQueryResultsResponse", "jobReference": job["jobReference"], "etag": job["etag"]}
        if job["status"]["state"] != "DONE":
            return answer | {"jobComplete": False}
        error = job["status"].get("errorResult")
        if error:
            raise BigQueryError(error["reason"], error["message"], error.get("location"))
        if "query" not in job["configuration"]:
            raise invalid(f"Job {name} is not a query job.")
        statistics = job["statistics"]["query"]
        answer |= {"jobComplete": True, "totalBytesProcessed": statistics["totalBytesProcessed"], "cacheHit": False}
        if "numDmlAffectedRows" in statistics:
            return answer | {"numDmlAffectedRows": statistics["numDmlAffectedRows"], "totalRows": "0", "schema": {}}
        return answer | page.of(self.tables, TableName.of(job["configuration"]["query"]["destinationTable"]))

    def _dry(self, project: str, job: Resource) -> Resource:
        if "query" not in job["configuration"]:
            raise not_simulated("dry runs of loads and copies")
        _, statistics = Queries(self.tables).prepare(project, job["configuration"]["query"])
        reference = {key: value for key, value in job["jobReference"].items() if key != "jobId"}
        return job | {
            "jobReference": reference,
            "status": {"state": "DONE"},
            "statistics": job["statistics"] | statistics,
        }

    def _run(self, project: str, job: Resource, uploaded: tuple[Path, ...]) -> None:
        configuration = job["configuration"]
        job = job | {"statistics": job["statistics"] | {"startTime": now_ms()}}
        try:
            if "query" in configuration:
                changed, statistics = Queries(self.tables).run(project, configuration["query"])
                job |= {"configuration": configuration | {"query": changed}}
            elif "copy" in configuration:
                statistics = Copies(self.tables).run(configuration["copy"])
            else:
                statistics = self._load(configuration["load"], uploaded)
            job |= {"statistics": job["statistics"] | statistics}
            self._end(project, job, None)
        except BigQueryError as error:
            if error.reason == "notImplemented":
                self.refuse(f"bigquery jobs.insert: {error.message}")
            self._end(project, job, error)
        except Exception as error:
            self._end(project, job, BigQueryError("notImplemented", f"the box failed: {type(error).__name__}: {error}"))
        finally:
            self._running.pop((project, job["jobReference"]["jobId"]), None)

    def _load(self, load: Resource, uploaded: tuple[Path, ...]) -> Resource:
        folder = Path(tempfile.mkdtemp(dir=self.uploads))
        try:
            files = list(uploaded) or objects.fetch(load.get("sourceUris", []), folder)
            return Loads(self.tables).run(load, files)
        finally:
            shutil.rmtree(folder)
            for path in uploaded:
                path.unlink(missing_ok=True)

    def _end(self, project: str, job: Resource, error: BigQueryError | None) -> None:
        status: Resource = {"state": "DONE"}
        if error:
            status |= {"errorResult": error.proto, "errors": [error.proto]}
        ended = job | {"status": status, "statistics": job["statistics"] | {"endTime": now_ms()}}
        with self.warehouse.changing() as cursor:
            self.warehouse.put(cursor, project, "job", job["jobReference"]["jobId"], with_etag(ended))


@dataclass(frozen=True)
class Page:
    """Which rows are asked for; `exact` timestamps are microseconds."""

    start: int
    count: int
    exact: bool

    def of(self, tables: Tables, name: TableName) -> Resource:
        """The rows of the table with its schema, and the token of the next page."""
        body = tables.get(name)
        fields = body["schema"]["fields"]
        count = min(self.count, _PAGE_ROWS)
        rows = [row_json(row, fields, self.exact) for row in tables.rows(name, fields, self.start, count)]
        end = self.start + len(rows)
        answer: Resource = {"schema": {"fields": fields}, "totalRows": body["numRows"]}
        if rows:
            answer["rows"] = rows
        if end < int(body["numRows"]) and count:
            answer["pageToken"] = str(end)
        return answer


def _new_job(project: str, body: Resource) -> Resource:
    given = body.get("jobReference") or {}
    name = given.get("jobId") or f"job_{uuid.uuid4().hex}"
    location = given.get("location") or DEFAULT_LOCATION
    return with_etag(
        {
            "kind": "bigquery#job",
            "id": f"{project}:{location}.{name}",
            "jobReference": {"projectId": project, "jobId": name, "location": location},
            "configuration": body["configuration"],
            "status": {"state": "RUNNING"},
            "statistics": {"creationTime": now_ms()},
        }
    )

"""Cloud Build: `docker build` steps over a source in a bucket; what they make can be deployed in the box at once.

Its one project is as restricted as new projects of Google's are: it may build in `OPEN_REGIONS` alone.

A build is kept as `<home>/gateway/builds/<id>.json`; its long-running operation is read off it. One that was under way
when the gateway ended has failed.
"""

from __future__ import annotations

import logging
import re
import shutil
import tarfile
import threading
import uuid
from pathlib import Path
from typing import Any

import httpx
from google.cloud.devtools import cloudbuild_v1 as v1
from google.longrunning import operations_pb2

from cloudbox.box import Box
from cloudbox.environment import ensure_images
from cloudbox.errors import failed_precondition, invalid, not_found
from cloudbox.gateway.dockerfile import BuildError, Built, Step, build
from cloudbox.rpc import Method

log = logging.getLogger(__name__)

CREATE, GET, OPERATION = (
    "/google.devtools.cloudbuild.v1.CloudBuild/CreateBuild",
    "/google.devtools.cloudbuild.v1.CloudBuild/GetBuild",
    "/google.longrunning.Operations/GetOperation",
)
SUBSTITUTION = re.compile(r"\$\{(_[A-Z0-9_]+)\}")
INTERNAL = 13
OPEN_REGIONS = {
    "us-central1",
    "us-west2",
    "europe-west1",
    "asia-east1",
    "australia-southeast1",
    "southamerica-east1",
}
"""https://cloud.google.com/build/docs/locations#restricted_regions_for_some_projects"""
ENDED = (v1.Build.Status.SUCCESS, v1.Build.Status.FAILURE, v1.Build.Status.INTERNAL_ERROR)
DOWNLOAD_S = 120


class Builds:
    """The builds of a box's project and region."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._folder = box.home.state("gateway") / "builds"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        for file in self._folder.glob("*.json"):
            lost = self._read(file)
            if lost.status not in ENDED:
                self._end(lost, v1.Build.Status.INTERNAL_ERROR, "the service restarted meanwhile")

    def methods(self) -> dict[str, Method]:
        """The methods by path."""
        return {
            CREATE: Method(self.create, v1.CreateBuildRequest),
            GET: Method(self.get, v1.GetBuildRequest),
            OPERATION: Method(self.operation, operations_pb2.GetOperationRequest),
        }

    def create(self, request: v1.CreateBuildRequest) -> Any:
        """CreateBuild: an operation that is not done yet; the build goes on in a thread."""
        region = self._region(request.parent)
        _fill(request.build)
        made = v1.Build(request.build)
        made.id, made.project_id = str(uuid.uuid4()), self._box.project
        made.name, made.status = f"{request.parent}/builds/{made.id}", v1.Build.Status(v1.Build.Status.WORKING)
        made.log_url = f"https://console.cloud.google.com/cloud-build/builds;region={region}/{made.id}"
        self._write(made)
        threading.Thread(target=self._work, args=(v1.Build(made),), name=f"build {made.id}", daemon=True).start()
        return _operation(made)

    def get(self, request: v1.GetBuildRequest) -> v1.Build:
        """GetBuild."""
        return self._find(request.name.rpartition("/")[2] or request.id)

    def operation(self, request: Any) -> Any:
        """GetOperation of a build."""
        return _operation(self._find(request.name.rpartition("/")[2]))

    def _region(self, parent: str) -> str:
        """The region of a parent, refused as Google refuses a restricted project."""
        here, _, region = parent.rpartition("/")
        if here != f"projects/{self._box.project}/locations":
            raise invalid(f"The box has projects/{self._box.project} only, not {parent}.")
        if region not in OPEN_REGIONS:
            raise failed_precondition(
                "failed precondition: due to quota restrictions, cannot run builds in this region, see "
                "https://cloud.google.com/build/docs/locations#restricted_regions_for_some_projects"
            )
        return region

    def _work(self, made: v1.Build) -> None:
        work = self._folder / made.id
        try:
            source = self._download_source(made, work)
            images = dict[str, Built]()
            for number, step in enumerate(made.steps):
                images |= _images(step, source, work / f"step-{number}")
            made.results.images = self._push(list(made.images), images)
            self._end(made, v1.Build.Status.SUCCESS, "")
        except BuildError as error:
            self._end(made, v1.Build.Status.FAILURE, str(error))
        except Exception as error:
            log.exception("build %s", made.id)
            self._end(made, v1.Build.Status.INTERNAL_ERROR, f"{type(error).__name__}: {error}")
        finally:
            shutil.rmtree(work / "source", ignore_errors=True)

    def _download_source(self, made: v1.Build, work: Path) -> Path:
        """The unpacked source."""
        place = made.source.storage_source
        address = f"{self._box.url('gcs')}/download/storage/v1/b/{place.bucket}/o/{place.object_.replace('/', '%2F')}"
        answer = httpx.get(address, params={"alt": "media"}, timeout=DOWNLOAD_S, trust_env=False)
        if not answer.is_success:
            raise BuildError(f"could not resolve source: gs://{place.bucket}/{place.object_}: {answer.status_code}")
        work.mkdir()
        (work / "source.tgz").write_bytes(answer.content)
        with tarfile.open(work / "source.tgz") as archive:
            archive.extractall(work / "source", filter="data")
        (work / "source.tgz").unlink()
        return work / "source"

    def _push(self, names: list[str], images: dict[str, Built]) -> list[v1.BuiltImage]:
        """From here on the images can be deployed, by tag and by digest."""
        if missing := [name for name in names if name not in images]:
            raise BuildError(f"failed to find one or more images after execution of build steps: {missing}")
        named: dict[str, dict[str, Any]] = {}
        for name in names:
            image = images[name]
            stands_for = {"code": str(image.code) if image.code else None, "command": image.command}
            named |= {name: stands_for, f"{name.rpartition(':')[0]}@{image.digest}": stands_for}
        with self._lock:
            ensure_images(self._box, named)
        return [v1.BuiltImage(name=name, digest=images[name].digest) for name in names]

    def _end(self, made: v1.Build, status: int, detail: str) -> None:
        made.status, made.status_detail = v1.Build.Status(status), detail
        self._write(made)

    def _find(self, build_id: str) -> v1.Build:
        file = self._folder / f"{build_id}.json"
        if not re.fullmatch(r"[0-9a-f-]+", build_id) or not file.is_file():
            raise not_found("Build", build_id)
        return self._read(file)

    def _read(self, file: Path) -> v1.Build:
        kept: v1.Build = v1.Build.from_json(file.read_text(encoding="utf-8"))
        return kept

    def _write(self, made: v1.Build) -> None:
        self._box.home.write(self._folder / f"{made.id}.json", v1.Build.to_json(made))


def _images(step: v1.BuildStep, source: Path, target: Path) -> dict[str, Built]:
    """What a step makes, by the names that it gives it."""
    parsed = Step.of(step.name, list(step.args))
    return dict.fromkeys(parsed.tags, build(parsed, source, target))


def _operation(made: v1.Build) -> Any:
    operation = operations_pb2.Operation(name=f"operations/build/{made.project_id}/{made.id}")
    operation.metadata.Pack(v1.BuildOperationMetadata(build=made)._pb)
    if made.status == v1.Build.Status.SUCCESS:
        operation.done = True
        operation.response.Pack(v1.Build.pb(made))
    elif made.status in ENDED:
        operation.done = True
        operation.error.code, operation.error.message = INTERNAL, f"Build failed; {made.status_detail}"
    return operation


def _fill(given: v1.Build) -> None:
    """Fills the substitutions; one that is not given, or that nothing uses, is refused as Google does."""
    values, used = dict(given.substitutions), set[str]()

    def filled(text: str) -> str:
        for name in SUBSTITUTION.findall(text):
            if name not in values:
                raise invalid(f'generic::invalid_argument: key in the template "{name}" is not a valid substitution')
            used.add(name)
        return SUBSTITUTION.sub(lambda match: values[match[1]], text)

    for step in given.steps:
        step.args = [filled(argument) for argument in step.args]
    given.images = [filled(image) for image in given.images]
    if unused := sorted(set(values) - used):
        raise invalid(f'generic::invalid_argument: key "{unused[0]}" in the substitution data is not matched')

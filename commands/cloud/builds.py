"""Images built by Google Cloud Build from the last commit, and the digests under which they were pushed.

infra/cloudbuild.yaml says how; `gcloud builds submit` would read the same file, and send what lies uncommitted too.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands.cloud.build_regions import OPEN_REGIONS, VARIABLE, build_region
from evergreen.adapters.google.calls import Kind, failure_of
from evergreen.core.errors import EvergreenError, InputError

ROOT = Path(__file__).parents[2]
FILE = ROOT / "infra" / "cloudbuild.yaml"
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LATE_S = 300
"""How long Cloud Build may take beyond the build's own timeout: waiting for a machine counts there too."""


@dataclass(frozen=True)
class Place:
    """Where images are built and kept. `bucket` is `gs://name/folder` for what is sent."""

    project: str
    region: str
    registry: str
    bucket: str
    account: str
    base_digest: str
    beam_digest: str


def build_of(place: Place, tag: str, options: Mapping[str, str] | None = None) -> Any:
    """The build of infra/cloudbuild.yaml as Cloud Build's own message, its source still to be set.

    `options` are further substitutions of the file, such as `_SERVING_TORCH_INDEX`.

    Raises:
        InputError: the tag or the base's digest cannot be used.
    """
    import yaml
    from google.cloud.devtools import cloudbuild_v1
    from google.protobuf import json_format

    if not TAG.fullmatch(tag) or tag == "latest":
        raise InputError(f"tag {tag!r} cannot be used: name one version, such as 1.0 or a commit; latest names none")
    for name, digest in {"BASE_DIGEST": place.base_digest, "BEAM_DIGEST": place.beam_digest}.items():
        if not DIGEST.fullmatch(digest):
            raise InputError(f"{name} should be sha256: and the image's 64 digits, got {digest!r}")
    build = cloudbuild_v1.Build()
    json_format.ParseDict(yaml.safe_load(FILE.read_text(encoding="utf-8")), build._pb)
    digests = {"_BASE_DIGEST": place.base_digest, "_BEAM_DIGEST": place.beam_digest}
    build.substitutions.update({"_REGISTRY": place.registry, "_TAG": tag, **digests, **(options or {})})
    build.service_account = f"projects/{place.project}/serviceAccounts/{place.account}"
    build.tags = [tag]
    return build


def images_of(place: Place, build: Any, tag: str) -> list[str]:
    """The images that a build makes, by the names under which it pushes them."""
    return [image.replace("${_REGISTRY}", place.registry).replace("${_TAG}", tag) for image in build.images]


def send_source(place: Place, tag: str, archive: Path) -> Any:
    """The last commit as an archive in the bucket: a source that a build can name."""
    from google.cloud import storage
    from google.cloud.devtools import cloudbuild_v1

    _archive(archive)
    bucket, _, folder = place.bucket.removeprefix("gs://").partition("/")
    blob = storage.Client(project=place.project).bucket(bucket).blob("/".join(filter(None, (folder, f"{tag}.tgz"))))
    blob.upload_from_filename(str(archive))
    source = cloudbuild_v1.StorageSource(bucket=bucket, object_=blob.name, generation=blob.generation)
    return cloudbuild_v1.Source(storage_source=source)


def digests_of(place: Place, build: Any) -> dict[str, str]:
    """Builds, waits, and returns the digest of every image by the name under which it was pushed.

    Raises:
        InputError: the project may not build in this region.
        EvergreenError: Cloud Build refused or failed.

    Every message leads to the log.
    """
    from google.cloud.devtools import cloudbuild_v1

    parent = f"projects/{place.project}/locations/{place.region}"
    request = cloudbuild_v1.CreateBuildRequest(parent=parent, project_id=place.project, build=build)
    log = f"https://console.cloud.google.com/cloud-build/builds?project={place.project}"
    try:
        operation = cloudbuild_v1.CloudBuildClient().create_build(request=request)
        log = operation.metadata.build.log_url or log
        patience_s = build.timeout.total_seconds() + LATE_S
        done = operation.result(timeout=patience_s)  # type: ignore[no-untyped-call]  # google.api_core has few types
    except TimeoutError as error:
        raise EvergreenError(f"Cloud Build in {place.region} did not end in time; its log: {log}") from error
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        if failure.kind is Kind.PRECONDITION:
            raise InputError(_restricted(place, failure.reason, log)) from error
        roles = f"roles/cloudbuild.builds.editor, and roles/iam.serviceAccountUser on {place.account}"
        message = failure.message(f"Cloud Build in {place.region} failed", {Kind.DENIED: f"who builds needs {roles}"})
        raise EvergreenError(f"{message}; its log: {log}") from error
    return {image.name: image.digest for image in done.results.images}


def _restricted(place: Place, message: str, log: str) -> str:
    """What Google calls a quota is, in new projects, the region: another one helps at once, more quota after days."""
    other = build_region(place.region)
    allowed = ", ".join(OPEN_REGIONS)
    advice = f"set {VARIABLE}={other}" if other != place.region else f"see which builds are under way in {place.region}"
    return (
        f"Cloud Build in {place.region} refused: {message}; its log: {log}; new projects may build in some regions "
        f"alone, whatever the region of their images (allowed everywhere: {allowed}); {advice}"
    )


def _archive(path: Path) -> None:
    command = ["git", "-C", str(ROOT), "archive", "--format", "tar.gz", "--output", str(path), "HEAD"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", None) or error
        raise InputError(f"no commit of {ROOT} can be archived: {str(why).strip()}; build from a clone") from error

"""The images of the last commit, built by Cloud Build and handed on by digest.

In a workflow the names become environment variables of the steps that follow; in a shell:
`eval "$(python run.py images --tag 1.0)"`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from commands.cloud.build_regions import VARIABLE as BUILD_REGION
from commands.cloud.build_regions import build_region
from commands.github.files import export, set_outputs
from evergreen.core.errors import EvergreenError, InputError
from orchestration.wheels import PIPELINE_INDEX, SERVING_INDEX

if TYPE_CHECKING:
    from commands.cloud.builds import Place

VARIABLES = {
    "pipeline": "EVERGREEN_PIPELINE_IMAGE",
    "dataflow": "EVERGREEN_DATAFLOW_IMAGE",
    "serving": "EVERGREEN_SERVING_IMAGE",
    "serving-onnx": "EVERGREEN_SERVING_ONNX_IMAGE",
}
OPTIONS = {
    PIPELINE_INDEX: "_PIPELINE_TORCH_INDEX",
    SERVING_INDEX: "_SERVING_TORCH_INDEX",
    "EVERGREEN_DOCKER_HUB": "_DOCKER_HUB",
}
"""Substitutions of infra/cloudbuild.yaml by the variables that set them; unset: as that file says."""
NEEDED = (
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_REGION",
    "EVERGREEN_REGISTRY",
    "EVERGREEN_BUCKET",
    "EVERGREEN_BUILD_ACCOUNT",
    "BASE_DIGEST",
    "BEAM_DIGEST",
)


def main(args: argparse.Namespace) -> None:
    """Prints the images as lines for a shell; tells on stderr what was done."""
    from commands.cloud.builds import build_of, images_of

    place = _place()
    options = {name: os.environ[variable] for variable, name in OPTIONS.items() if os.environ.get(variable)}
    build = build_of(place, args.tag, options)
    tagged = images_of(place, build, args.tag)
    if args.dry_run:
        print(f"not built: {', '.join(tagged)}, by {place.account} in {place.region}", file=sys.stderr)
        names = tagged
    else:
        names = _built(place, build, args.tag, tagged)
    images = {VARIABLES[name.rpartition("/")[2].partition("@")[0].partition(":")[0]]: name for name in names}
    set_outputs(images)
    export(images)
    for variable, name in images.items():
        print(f"export {variable}={shlex.quote(name)}")


def _built(place: Place, build: Any, tag: str, tagged: list[str]) -> list[str]:
    """The images by digest."""
    from commands.cloud.builds import DIGEST, digests_of, send_source

    with TemporaryDirectory(prefix="evergreen-build-") as folder:
        build.source = send_source(place, tag, Path(folder) / "source.tgz")
    print(f"building {', '.join(tagged)} in {place.region}", file=sys.stderr)
    digests = digests_of(place, build)
    for name in tagged:
        if not DIGEST.fullmatch(digests.get(name, "")):
            raise EvergreenError(f"Cloud Build tells no digest of {name} (has: {', '.join(digests) or 'no image'})")
    return [f"{name.rpartition(':')[0]}@{digests[name]}" for name in tagged]


def _place() -> Place:
    from commands.cloud.builds import Place

    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        raise InputError(f"not set: {', '.join(missing)}; docs/production.md tells what each is")
    project, region, registry, bucket, account, base_digest, beam_digest = (os.environ[name] for name in NEEDED)
    region = os.environ.get(BUILD_REGION) or build_region(region)
    return Place(project, region, registry, f"{bucket}/build", account, base_digest, beam_digest)

"""What `docker build` makes of a Dockerfile as far as the box has it: the files that are copied, and what is started.

`RUN`, `ENV` and what the base holds are left out: a container of the box runs in a Python environment of this machine.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

REFERENCE = re.compile(r"[a-z0-9][\w./-]*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?")


class BuildError(Exception):
    """The build fails, as docker's own would."""


@dataclass(frozen=True)
class Step:
    """One `docker build`, read from its arguments."""

    file: str
    tags: tuple[str, ...]
    arguments: Mapping[str, str]

    @classmethod
    def of(cls, builder: str, args: Sequence[str]) -> Step:
        """The step of these arguments; raises BuildError for any other than `docker build … .`."""
        if not builder.endswith("/docker") or args[:1] != ["build"] or args[-1:] != ["."]:
            raise BuildError(f"the box builds with docker build … . alone, not {builder} {' '.join(args)}")
        options = [argument.partition("=") for argument in args[1:-1]]
        if unknown := [name for name, _, _ in options if name not in {"--file", "--tag", "--build-arg"}]:
            raise BuildError(f"the box does not know {', '.join(unknown)} of docker build")
        pairs = (value.partition("=") for name, _, value in options if name == "--build-arg")
        return cls(
            file=next((value for name, _, value in options if name == "--file"), "Dockerfile"),
            tags=tuple(value for name, _, value in options if name == "--tag"),
            arguments={name: value for name, _, value in pairs},
        )


@dataclass
class Built:
    """An image: its digest, its files below the working directory, and its ENTRYPOINT."""

    digest: str = ""
    code: Path | None = None
    command: list[str] = field(default_factory=list)


def build(step: Step, context: Path, target: Path) -> Built:
    """The image of one step; `context` is the unpacked source, `target` a folder for the image's files.

    Raises:
        BuildError: a file is missing, or the base has no name.
    """
    file = context / step.file
    if not file.is_file():
        raise BuildError(f"unable to evaluate symlinks in Dockerfile path: {step.file}: no such file")
    built, work, given = Built(), PurePosixPath("/"), dict[str, str]()
    digest = hashlib.sha256(json.dumps([file.read_text("utf-8"), sorted(step.arguments.items())]).encode())
    for name, rest in _instructions(file.read_text("utf-8")):
        if name == "ARG":
            key, _, default = rest.partition("=")
            given[key] = step.arguments.get(key, default)
        elif name == "FROM":
            named = re.split(r"\s+AS\s+", rest, flags=re.IGNORECASE)[0]
            base = re.sub(r"\$\{(\w+)\}", lambda match: given.get(match[1], ""), named)
            if not REFERENCE.fullmatch(base):
                raise BuildError(f"failed to parse stage name {base!r}: invalid reference format")
        elif name == "WORKDIR":
            work = PurePosixPath(rest)
        elif name == "ENTRYPOINT":
            built.command = list(json.loads(rest))
        elif name == "COPY" and not rest.startswith("--from="):  # what another image holds is left out, as the base's
            for source, place in _copies(rest, work):
                _copy(context / source, target / place.relative_to("/"), source, digest)
    code = target / work.relative_to("/")
    built.code = code if code.is_dir() else None
    built.digest = f"sha256:{digest.hexdigest()}"
    return built


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        name, _, rest = line.partition(" ")
        if name:
            yield name.upper(), rest.strip()


def _copies(rest: str, work: PurePosixPath) -> Iterator[tuple[str, PurePosixPath]]:
    """(source, place): a target that ends in a slash, or has several sources, is a folder."""
    *sources, target = rest.split()
    place = work / target
    for source in sources:
        yield source, place / PurePosixPath(source).name if target.endswith("/") or len(sources) > 1 else place


def _copy(source: Path, place: Path, name: str, digest: hashlib._Hash) -> None:
    if not source.exists():
        raise BuildError(f'failed to compute cache key: "/{name}": not found')
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, place)
    for file in sorted(path for path in (source.rglob("*") if source.is_dir() else [source]) if path.is_file()):
        digest.update(f"{name}/{file.relative_to(source)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())

"""What a Dockerfile says, for tests on machines that have no engine to build it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Dockerfile:
    """The instructions of `infra/<image>.Dockerfile`, in order, as (name, rest) with continued lines joined."""

    path: Path

    @classmethod
    def of(cls, image: str) -> Dockerfile:
        return cls(ROOT / "infra" / f"{image}.Dockerfile")

    @property
    def instructions(self) -> list[tuple[str, str]]:
        lines = [line for line in self.path.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
        joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
        return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined if line)]

    def all(self, name: str) -> list[str]:
        return [rest for instruction, rest in self.instructions if instruction == name]

    @property
    def copies(self) -> list[tuple[str, str]]:
        """Every copied path of the repository, and where it goes."""
        pairs = []
        for rest in self.all("COPY"):
            *sources, target = rest.split()
            pairs += [(source, target) for source in sources]
        return pairs

    @property
    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for rest in self.all("ENV") for pair in rest.split())

    @property
    def entrypoint(self) -> list[str]:
        command: list[str] = json.loads(self.all("ENTRYPOINT")[0])
        return command

    @property
    def let_through(self) -> set[str]:
        """What the image's .dockerignore excepts from ignoring everything."""
        ignore = self.path.with_name(f"{self.path.name}.dockerignore").read_text("utf-8").splitlines()
        assert ignore[0] == "*"
        return {line.removeprefix("!") for line in ignore if line.startswith("!")}

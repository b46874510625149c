"""Cloud Storage. Clients find it by `STORAGE_EMULATOR_HOST`; its objects are files below `<home>/gcs/buckets`."""

from __future__ import annotations

import sys

from cloudbox.box import Box
from cloudbox.services.base import Service, http_answers
from cloudbox.storage.emulator import binary
from cloudbox.storage.requests import HEALTH


class Gcs(Service):
    """`python -m cloudbox.storage`: an emulator behind a front."""

    name = "gcs"

    def command(self, box: Box) -> list[str]:
        """The service's own module."""
        return [sys.executable, "-m", "cloudbox.storage", "--home", str(box.home.path)]

    def prepare(self, box: Box) -> None:
        """Looks for the emulator, which is not there for every machine."""
        super().prepare(box)
        binary()

    def answers(self, box: Box) -> bool:
        """Whether the emulator says through its front that it is healthy."""
        return http_answers(f"{box.url(self.name)}{HEALTH}")

    def address(self, box: Box) -> str:
        """Its URL."""
        return box.url(self.name)

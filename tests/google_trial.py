"""Endpoints in a project of Google's that the environment names; docs/production.md tells how to run their tests."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack
from pathlib import Path
from zlib import crc32

import gcsfs

from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.registry import ModelRegistry
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.artifacts import FileEntry, TrainedModel
from evergreen.core.members import trainable
from tests.tiny_text import RecordingRun, headlines, task_with, write_encoder, write_splits

PREFIX = "EVERGREEN_TEST_"
NEEDED = ("PROJECT", "REGION", "STAGING", "IMAGE")
MISSING = [PREFIX + name for name in NEEDED if not os.environ.get(PREFIX + name)]
MODEL = "contract"
CASSETTE = os.environ.get(PREFIX + "CASSETTE")


class GoogleTrial:
    """What the endpoint contract asks for; models are tiny text classifiers that the serving image can load."""

    def __init__(self, path: Path) -> None:
        self.path = path
        settings = {name.lower(): os.environ[PREFIX + name] for name in NEEDED}
        settings["staging"] = f"{settings['staging'].rstrip('/')}/{secrets.token_hex(4)}"
        account = os.environ.get(PREFIX + "SERVICE_ACCOUNT")
        self.host = VertexHostSettings.model_validate(
            {**settings, "environment": f"test-{secrets.token_hex(4)}", "service_account": account}
        )
        self.endpoint = VertexEndpoint(self.host, MODEL)

    def model(self, name: str, broken: bool = False) -> tuple[str, Path]:
        folder = self.path / name
        encoder = write_encoder(folder / "encoder")
        splits = write_splits(folder / "splits", {"train": headlines(24), "validation": headlines(12, seed=1)})
        trained = trainable(task_with(encoder, epochs=1)).train(
            splits, RecordingRun.below(folder / "run", seed=crc32(name.encode()))
        )
        if broken:
            (trained.path / "config.json").write_text("{}", encoding="utf-8")
            files = tuple(FileEntry.of(trained.path / file.name, trained.path) for file in trained.manifest.files)
            trained = TrainedModel.write(trained.path, trained.manifest.model_copy(update={"files": files}))
        return trained.version, trained.path

    def spoil(self, version: str, spoilt: bool = True) -> None:
        content = f"{self.host.staging}/{MODEL}/{version}/config.json"
        files = gcsfs.GCSFileSystem(skip_instance_cache=True, use_listings_cache=False)
        files.mv(content, f"{content}.aside") if spoilt else files.mv(f"{content}.aside", content)

    def die(self) -> None:
        raise AssertionError("a test that ends machines is skipped before it asks for that")

    def remove(self) -> None:
        """Undeploys and deletes everything of the trial, its versions and files too, whatever fails on the way."""
        with ExitStack() as parts:
            parts.callback(self._remove_files)
            parts.callback(self._remove_versions)
            parts.callback(self.endpoint.delete)

    def _remove_versions(self) -> None:
        clients = Clients(self.host)
        versions = ModelRegistry(clients, MODEL).versions()
        if versions:
            deletion = clients.models.delete_model(name=versions[0].name.partition("@")[0])
            deletion.result(timeout=600)  # type: ignore[no-untyped-call]  # google.api_core has no types

    def _remove_files(self) -> None:
        files = gcsfs.GCSFileSystem(skip_instance_cache=True, use_listings_cache=False)
        if files.exists(self.host.staging):
            files.rm(self.host.staging, recursive=True)

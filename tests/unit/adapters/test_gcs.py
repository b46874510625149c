from pathlib import Path

import pytest

from evergreen.adapters.gcs import copy_from, copy_to
from evergreen.core.artifacts import FileEntry, TrainedModel, TrainedModelManifest
from evergreen.core.errors import InputError


@pytest.mark.parametrize("name", ["../outside.bin", "/etc/passwd", "a/../../b"])
def test_a_manifest_that_leads_out_of_its_directory_is_refused(tmp_path: Path, name: str) -> None:
    entry = FileEntry.model_construct(name=name, sha256="0" * 64, bytes=1)
    TrainedModel.write(tmp_path, TrainedModelManifest(files=(entry,), task={}, trained_on="none", seed=0))
    with pytest.raises(InputError, match=r"no TrainedModel at .*leads out of the directory"):
        copy_to(tmp_path, "gs://bucket/model")


@pytest.mark.parametrize("uri", ["/models/a", "s3://bucket/model", "gs://"])
def test_only_cloud_storage_addresses_are_taken(tmp_path: Path, uri: str) -> None:
    with pytest.raises(InputError, match="gs://bucket/folder"):
        copy_from(uri, tmp_path)

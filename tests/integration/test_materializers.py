"""Artifacts survive the store unchanged, show their page, and are never pickled."""

from __future__ import annotations

import importlib
import inspect
import shutil
import tarfile
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.artifacts import (
    INTAKE_FACT,
    LEFT_OUT_FACT,
    FileEntry,
    Manifest,
    Splits,
    SplitsManifest,
    TrainedModel,
)
from evergreen.core.errors import EvergreenError
from evergreen.core.members import source_of
from evergreen.core.part import Counted, Part
from evergreen.core.training import Incumbent, Start

STEPS = ("identify", "fetch", "validate", "split", "train", "evaluate", "promote", "deploy")


def splits_at(path: Path) -> Splits:
    (path / "train").mkdir(parents=True)
    (path / "train" / "rows-00000.parquet").write_bytes(b"rows" * 1000)
    files = (FileEntry.of(path / "train" / "rows-00000.parquet", path),)
    by_split = {"train": 3, "validation": 1, "test": 2}
    labels = {name: {"a": rows} for name, rows in by_split.items()}
    manifest = SplitsManifest(files=files, dataset="d", seed=1, rows=by_split, labels=labels, removed={})
    return Splits.write(path, manifest)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A place in ZenML's default artifact store, which takes paths below its own folder only."""
    from zenml.client import Client

    path = Path(Client().active_stack.artifact_store.path) / tmp_path.name
    path.mkdir(parents=True)
    return path


@pytest.mark.usefixtures("zenml_home")
def test_a_directory_comes_back_with_every_byte_on_another_machine(tmp_path: Path, store: Path) -> None:
    from orchestration.materializers import DirectoryMaterializer

    saved = splits_at(tmp_path / "splits")
    materializer = DirectoryMaterializer(str(store))
    materializer.save(saved)
    materializer.save_visualizations(saved)
    shutil.rmtree(saved.path)
    materializer.expected_content_hash = materializer.compute_content_hash(saved)
    loaded = materializer.load(Splits)
    assert loaded.manifest == saved.manifest
    assert loaded.shards("train")[0].read_bytes() == b"rows" * 1000
    assert sorted(path.name for path in store.iterdir()) == ["content.tar", "manifest.json", "page.html"]


@pytest.mark.usefixtures("zenml_home")
def test_the_state_that_rows_were_counted_in_comes_back_and_is_nothing_to_the_cache(store: Path) -> None:
    from orchestration.materializers import ValueMaterializer

    materializer, part = ValueMaterializer(str(store)), Part(until=datetime(2026, 1, 1, tzinfo=UTC), revision="a")
    materializer.save(part)
    assert materializer.load(Part) == part
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = materializer.compute_content_hash(part)
    assert kept == "031103a961981a806efd64653ad42500"  # what was kept before is answered from cache as ever
    assert materializer.compute_content_hash(part.model_copy(update={"revision": "b"})) == kept
    counted = Counted(files="f", rows="r")
    assert materializer.compute_content_hash(part.model_copy(update={"counted": counted})) == kept
    assert materializer.compute_content_hash(part.model_copy(update={"lag": "2h"})) != kept


@pytest.mark.usefixtures("zenml_home")
def test_only_the_manifest_is_read_until_the_path_is_asked_for(tmp_path: Path, store: Path) -> None:
    from orchestration.materializers import DirectoryMaterializer

    saved = splits_at(tmp_path / "splits")
    materializer = DirectoryMaterializer(str(store))
    materializer.save(saved)
    materializer.expected_content_hash = materializer.compute_content_hash(saved)
    (store / "content.tar").rename(store / "away.tar")
    handle = materializer.load(Splits)
    assert handle.manifest == saved.manifest
    with pytest.raises(EvergreenError, match="is gone from the artifact store"):
        handle.shards("train")
    (store / "away.tar").rename(store / "content.tar")
    (shard,) = handle.shards("train")
    (store / "content.tar").unlink()
    assert handle.shards("train") == [shard]
    assert shard.read_bytes() == b"rows" * 1000


@pytest.mark.usefixtures("zenml_home")
def test_a_directory_that_was_saved_without_a_manifest_beside_it_still_loads(tmp_path: Path, store: Path) -> None:
    from orchestration.materializers import DirectoryMaterializer

    saved = splits_at(tmp_path / "splits")
    materializer = DirectoryMaterializer(str(store))
    materializer.save(saved)
    (store / "manifest.json").unlink()
    loaded = materializer.load(Splits)
    assert loaded.manifest == saved.manifest
    assert loaded.shards("train")[0].read_bytes() == b"rows" * 1000


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize(
    ("manifest", "message"),
    [("{", "is damaged: no Splits at"), ('"content_hash"', "is damaged: no Splits at"), (None, "is of other content")],
    ids=["cut", "no manifest", "of another directory"],
)
def test_a_manifest_that_does_not_belong_to_the_directory_is_told(
    tmp_path: Path, store: Path, manifest: str | None, message: str
) -> None:
    from orchestration.materializers import DirectoryMaterializer

    saved = splits_at(tmp_path / "splits")
    materializer = DirectoryMaterializer(str(store))
    materializer.save(saved)
    other = saved.manifest.model_copy(update={"files": ()}).model_dump_json()
    (store / "manifest.json").write_text(other if manifest is None else manifest)
    with pytest.raises(EvergreenError, match=message):
        assert materializer.load(Splits).path


@pytest.mark.usefixtures("zenml_home")
def test_what_was_left_out_of_a_dataset_is_noted_beside_it_where_a_run_s_end_reads_it(
    tmp_path: Path, store: Path
) -> None:
    from orchestration.materializers import DirectoryMaterializer

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("text,label\nA goal.,sports\n")
    (tmp_path / "in" / "notes.md").touch()
    dataset = source_of(FilesSettings(path=str(tmp_path / "in"))).read(None, tmp_path / "rows")
    noted = DirectoryMaterializer(str(store)).extract_metadata(dataset)
    assert noted[INTAKE_FACT] == "1 read of 2 seen; left out: 1 file with suffix .md (notes.md)"


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize(
    ("removed", "noted"),
    [
        (
            {"exact_duplicate": 1_200, "near_duplicate": 3},
            "1,203 rows in no split (1,200 exact duplicate, 3 near duplicate)",
        ),
        (
            {"exact_duplicate": 0, "near_duplicate": 3, "set_aside": 1},
            "4 rows in no split (3 near duplicate, 1 set aside)",
        ),
        ({"exact_duplicate": 0, "near_duplicate": 0}, None),
    ],
)
def test_rows_that_are_in_no_split_are_noted_beside_the_splits_where_a_run_s_end_reads_it(
    tmp_path: Path, store: Path, removed: dict[str, int], noted: str | None
) -> None:
    from orchestration.materializers import DirectoryMaterializer
    from orchestration.runs import made_in_words

    manifest = SplitsManifest(files=(), dataset="d", seed=0, rows={"train": 1}, labels={}, removed=removed)
    beside = DirectoryMaterializer(str(store)).extract_metadata(Splits(tmp_path, manifest))
    assert beside.get(LEFT_OUT_FACT) == noted
    words = made_in_words([{INTAKE_FACT: "60 read of 60 seen"}, beside])
    assert words == ("60 read of 60 seen" if noted is None else f"60 read of 60 seen\n{noted}")
    assert made_in_words([{}, {}]) is None


def with_one_byte_changed(archive: bytes) -> bytes:
    at = archive.index(b"rowsrows")
    return archive[:at] + b"R" + archive[at + 1 :]


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (with_one_byte_changed, r"train/rows-00000\.parquet .* is damaged: 4000 bytes with checksum"),
        (lambda archive: archive[:1500], "is damaged: truncated header"),
        (lambda _: b"", "is damaged: empty file"),
    ],
    ids=["a changed byte", "a cut file", "an empty file"],
)
def test_a_damaged_directory_is_told_and_not_used(
    tmp_path: Path, store: Path, damage: Callable[[bytes], bytes], message: str
) -> None:
    from orchestration.materializers import DirectoryMaterializer

    materializer = DirectoryMaterializer(str(store))
    saved = splits_at(tmp_path / "splits")
    materializer.save(saved)
    materializer.expected_content_hash = materializer.compute_content_hash(saved)
    archive = store / "content.tar"
    archive.write_bytes(damage(archive.read_bytes()))
    handle = materializer.load(Splits)
    with pytest.raises(EvergreenError, match=message):
        handle.shards("train")


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize(
    ("name", "kind"), [("../out", tarfile.REGTYPE), ("/srv/out", tarfile.REGTYPE), ("link", tarfile.SYMTYPE)]
)
def test_an_archive_that_leads_out_of_its_directory_is_refused(store: Path, name: str, kind: bytes) -> None:
    from orchestration.materializers import DirectoryMaterializer

    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(store / "content.tar", "w") as archive:
        archive.addfile(member)
    with pytest.raises(EvergreenError, match=f"is damaged: {name} is no file below it"):
        DirectoryMaterializer(str(store)).load(Splits)
    assert not Path("/srv/out").exists()


@pytest.mark.usefixtures("zenml_home")
def test_artifacts_that_are_gone_are_named_with_their_step_and_the_way_out() -> None:
    from zenml.client import Client

    from orchestration.materializers import DirectoryMaterializer, ValueMaterializer

    root = Client().active_stack.artifact_store.path
    message = r"step 'train', is gone from the artifact store .*; run the configuration .* again with --no-cache"
    with pytest.raises(EvergreenError, match=rf"Splits at .*, output 'model' of {message}"):
        DirectoryMaterializer(f"{root}/train/model/1/2").load(Splits)
    with pytest.raises(EvergreenError, match=rf"Start at .*, output 'start' of {message}"):
        ValueMaterializer(f"{root}/train/start/1/2").load(Start)


@pytest.mark.usefixtures("zenml_home")
def test_an_artifact_is_stored_though_its_page_cannot_be_made(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from orchestration import materializers

    def broken(_: object) -> str:
        raise ValueError("no such font")

    monkeypatch.setattr("orchestration.pages.page_of", broken)
    materializer = materializers.DirectoryMaterializer(str(store))
    saved = splits_at(tmp_path / "splits")
    materializer.save(saved)
    with caplog.at_level("WARNING", logger="evergreen"):
        assert materializer.save_visualizations(saved) == {}
    assert "left out: the page of Splits (ValueError: no such font)" in caplog.text


@pytest.mark.usefixtures("zenml_home")
def test_a_directory_of_other_content_than_recorded_is_not_used(tmp_path: Path, store: Path) -> None:
    from orchestration.materializers import DirectoryMaterializer

    materializer = DirectoryMaterializer(str(store))
    materializer.save(splits_at(tmp_path / "splits"))
    materializer.expected_content_hash = "another"
    with pytest.raises(EvergreenError, match=r"is damaged: content hash .*, recorded another"):
        materializer.load(Splits)


@pytest.mark.usefixtures("zenml_home")
def test_the_content_hash_knows_content_and_nothing_else(tmp_path: Path) -> None:
    from orchestration.materializers import DirectoryMaterializer

    first, other = splits_at(tmp_path / "one"), splits_at(tmp_path / "other")
    hashes = DirectoryMaterializer(str(tmp_path))
    assert hashes.compute_content_hash(first) == hashes.compute_content_hash(other)
    changed = Manifest(files=(FileEntry(name="a", sha256="0", bytes=1),))
    assert changed.content_hash != first.manifest.content_hash


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize("name", STEPS)
def test_every_output_of_every_step_has_a_materializer_of_ours_or_is_plain(name: str) -> None:
    from zenml.materializers.built_in_materializer import BuiltInMaterializer
    from zenml.materializers.materializer_registry import materializer_registry

    from orchestration.materializers import DirectoryMaterializer, ValueMaterializer

    function: Any = getattr(importlib.import_module(f"steps.{name}"), name).entrypoint
    returned = get_type_hints(function)["return"]
    kinds = [candidate for candidate in getattr(returned, "__args__", (returned,)) if inspect.isclass(candidate)]
    assert kinds
    for kind in kinds:
        chosen = materializer_registry[kind]
        assert issubclass(chosen, DirectoryMaterializer | ValueMaterializer | BuiltInMaterializer), kind


@pytest.mark.usefixtures("zenml_home")
def test_a_type_without_materializer_is_refused_and_not_pickled(store: Path) -> None:
    from zenml.materializers.materializer_registry import materializer_registry

    import orchestration.materializers  # noqa: F401  registers

    class Stranger:
        pass

    materializer = materializer_registry[Stranger](str(store))
    with pytest.raises(TypeError, match=r"no materializer for .*Stranger"):
        materializer.save(Stranger())
    assert list(store.iterdir()) == []


@pytest.mark.usefixtures("zenml_home")
def test_every_artifact_type_has_a_page() -> None:
    from orchestration.pages import page_of

    assert "<html" in page_of(Incumbent(version="abc", artifact="1"))
    assert page_of.dispatch(TrainedModel) is not page_of.dispatch(object)
    with pytest.raises(TypeError, match="has no page"):
        page_of(3)

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evergreen.adapters.oxford_pets import archives
from evergreen.adapters.oxford_pets.settings import OxfordPetsSettings
from evergreen.core.errors import InputError
from evergreen.core.intake import IntakeCount
from evergreen.core.members import source_of
from evergreen.data.pictures import decode_mask
from evergreen.preparation.plan import parts_of
from tests.counted_checksums import counted_checksums
from tests.oxford_pets import photo_names, trimap, write_archive, write_archives
from tests.rows import rows_of

COUNT = 9


def read(folder: Path, out: Path) -> Any:
    return source_of(OxfordPetsSettings(path=str(folder))).read(None, out)


def test_the_published_archives_give_photos_with_classes_split_and_breed(tmp_path: Path) -> None:
    write_archives(tmp_path / "raw", COUNT)
    dataset = read(tmp_path / "raw", tmp_path / "out")
    rows = {row["id"]: row for row in rows_of(dataset.shards)}
    assert list(rows) == photo_names(COUNT)
    for number, (name, row) in enumerate(rows.items()):
        assert np.array_equal(decode_mask(row["mask"]), trimap(number) - 1), name
        assert row["image"].startswith(b"\xff\xd8")
        assert row["split"] == ("train" if number % 3 else "test")
    assert (rows["Egyptian_Mau_1"]["breed"], rows["Egyptian_Mau_1"]["species"]) == ("Egyptian Mau", "cat")
    assert rows["american_bulldog_1"]["species"] == "dog"
    words = dataset.manifest.intake.words()
    assert words == "9 read of 10 seen; left out: 1 picture that has no trimap or is in no list (Abyssinian_900)"


def test_shares_of_the_photos_are_all_of_them_and_each_once(tmp_path: Path) -> None:
    write_archives(tmp_path / "raw", COUNT)
    raw = source_of(OxfordPetsSettings(path=str(tmp_path / "raw"))).raw()
    assert raw is not None
    count = IntakeCount()
    ids = [row["id"] for part in raw.parts for batch in part.rows(count) for row in batch.to_pylist()]
    assert sorted(ids) == sorted(photo_names(COUNT))
    assert count.intake(len(ids)).words().startswith("9 read of 10 seen; left out: 1 picture that has no trimap")
    assert len(set(raw.fingerprints)) == len(raw.parts)
    assert [part.fingerprint() for part in raw.parts] == list(raw.fingerprints)


def test_the_fingerprints_of_all_shares_take_one_reading_of_the_archives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_archives(tmp_path / "raw", COUNT)
    read = counted_checksums(monkeypatch)
    raw = source_of(OxfordPetsSettings(path=str(tmp_path / "raw"))).raw()
    assert raw is not None
    assert parts_of(raw)
    assert read == {"annotations.tar.gz": 1, "images.tar.gz": 1}


def test_other_archives_are_another_identity(tmp_path: Path) -> None:
    for count in (3, 6):
        write_archives(tmp_path / str(count), count)
    few, more = (source_of(OxfordPetsSettings(path=str(tmp_path / name))).identity(None) for name in ("3", "6"))
    assert few.fingerprint != more.fingerprint
    assert few.description.startswith("Oxford-IIIT Pet in ")


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "annotations/trimaps/../../../x_1.png"])
def test_a_member_that_leads_out_of_its_archive_is_refused(tmp_path: Path, name: str) -> None:
    write_archives(tmp_path / "raw", 3)
    write_archive(tmp_path / "raw" / "annotations.tar.gz", {name: b"evil"})
    with pytest.raises(InputError, match="leads out of it or is no file"):
        read(tmp_path / "raw", tmp_path / "out")
    assert not [*tmp_path.rglob("*evil*"), *tmp_path.rglob("x_1*")]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_pipes_are_refused(tmp_path: Path, kind: bytes) -> None:
    write_archives(tmp_path / "raw", 3)
    with tarfile.open(tmp_path / "raw" / "images.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("images/Abyssinian_1.jpg")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(InputError, match="is no file"):
        read(tmp_path / "raw", tmp_path / "out")


@pytest.mark.parametrize(("limit", "told"), [("MOST_BYTES", "allowed: 50"), ("MOST_BYTES_IN_ALL", "more than 50")])
def test_what_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, told: str
) -> None:
    write_archives(tmp_path / "raw", 3)
    monkeypatch.setattr(archives, limit, 50)
    with pytest.raises(InputError, match=told):
        read(tmp_path / "raw", tmp_path / "out")


def test_archives_that_are_damaged_missing_or_others_are_told(tmp_path: Path) -> None:
    write_archives(tmp_path / "raw", 3)
    images = tmp_path / "raw" / "images.tar.gz"
    whole = images.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"<html>not found</html>"):
        images.write_bytes(damaged)
        with pytest.raises(InputError, match=r"images\.tar\.gz cannot be read: .*download it again"):
            read(tmp_path / "raw", tmp_path / "out")
    images.unlink()
    with pytest.raises(InputError, match=r"no images\.tar\.gz in .*robots\.ox\.ac\.uk"):
        read(tmp_path / "raw", tmp_path / "out")
    images.write_bytes(whole)
    write_archive(tmp_path / "raw" / "annotations.tar.gz", {"annotations/README": b"x"})
    with pytest.raises(InputError, match=r"holds no annotations/test\.txt, .*trainval\.txt, .*/trimaps/; it is not"):
        read(tmp_path / "raw", tmp_path / "out")


@pytest.mark.parametrize("name", ["annotations.tar.gz", "images.tar.gz"])
def test_an_archive_that_is_cut_off_is_told_wherever_that_is(tmp_path: Path, name: str) -> None:
    write_archives(tmp_path / "raw", 3)
    archive = tmp_path / "raw" / name
    whole = archive.read_bytes()
    tar = gzip.decompress(whole)
    compressor = zlib.compressobj(wbits=31)
    with tarfile.open(fileobj=io.BytesIO(tar)) as members:
        last = members.getmembers()[-1].offset
    between_two = compressor.compress(tar[:last]) + compressor.flush(zlib.Z_SYNC_FLUSH)
    ends = [*(len(whole) * number // 20 for number in range(1, 20)), len(whole) - 12, len(whole) - 1]
    for cut in (between_two, *(whole[:end] for end in ends)):
        archive.write_bytes(cut)
        with pytest.raises(InputError, match=rf"{name} cannot be read: .*download it again"):
            read(tmp_path / "raw", tmp_path / "out")


def test_what_one_archive_has_and_the_other_lacks_is_counted(tmp_path: Path) -> None:
    write_archives(tmp_path / "raw", 6)
    write_archives(tmp_path / "fewer", 3)
    (tmp_path / "fewer" / "images.tar.gz").rename(tmp_path / "raw" / "images.tar.gz")
    assert read(tmp_path / "raw", tmp_path / "out").manifest.intake.left_out == {
        "picture that has no trimap or is in no list": 1,
        "picture that is listed and not there": 3,
    }


def test_a_wrong_folder_and_annotations_without_trimaps_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no annotations\.tar\.gz and no images\.tar\.gz in '.*/nowhere'; download"):
        source_of(OxfordPetsSettings(path=str(tmp_path / "nowhere"))).identity(None)
    write_archives(tmp_path / "raw", 3)
    lists = {f"annotations/{name}.txt": b"Abyssinian_1 1 1 1\n" for name in ("trainval", "test")}
    write_archive(tmp_path / "raw" / "annotations.tar.gz", lists)
    with pytest.raises(InputError, match=r"annotations\.tar\.gz holds no annotations/trimaps/; it is not the archive"):
        read(tmp_path / "raw", tmp_path / "out")


def test_a_list_that_is_none_is_told_by_line(tmp_path: Path) -> None:
    write_archives(tmp_path / "raw", 3)
    content = io.BytesIO(b"../../x 1 1 1\n").getvalue()
    write_archive(
        tmp_path / "raw" / "annotations.tar.gz",
        {"annotations/trainval.txt": content, "annotations/test.txt": b""},
    )
    with pytest.raises(InputError, match=r"annotations/trainval\.txt:1 is '\.\./\.\./x 1 1 1', not a photo"):
        read(tmp_path / "raw", tmp_path / "out")

import pytest
from pydantic import ValidationError

from evergreen.core.artifacts import DatasetManifest, FileEntry, SourceIdentity
from evergreen.core.intake import Intake, IntakeCount, LeftOut, LeftOutReason


def test_what_is_left_out_is_told_with_its_number_and_a_few_names() -> None:
    reasons = [(LeftOutReason.UNPAIRED_MASK, f"img{number}.png") for number in range(4)]
    count = IntakeCount(LeftOut.of([*reasons, (LeftOutReason.suffix(".md"), "README.md")]))
    count.see(60)
    assert count.intake(60).words() == (
        "60 read of 65 seen; left out: 4 masks without a picture (img0.png, img1.png, img2.png, …), "
        "1 file with suffix .md (README.md)"
    )


def test_rows_that_are_neither_read_nor_left_out_are_an_error() -> None:
    count = IntakeCount()
    count.see(3)
    count.leave_out(LeftOutReason.OUTSIDE_WINDOW, 1, ["a.csv:3"])
    assert count.intake(2) == Intake(
        seen=3, read=2, left_out={"row outside of the window": 1}, examples={"row outside of the window": ("a.csv:3",)}
    )
    with pytest.raises(ValidationError, match="3 rows were seen, but 1 read and 1 left out"):
        count.intake(1)


def test_sums_keep_every_reason_and_names_of_any_bytes_can_be_printed() -> None:
    both = LeftOut.of([("hidden file", "caf\udce9")]) + LeftOut.of([("hidden file", ".b"), ("broken link", "c")])
    assert both.words() == "2 hidden files (caf\\udce9, .b), 1 broken link (c)"
    assert both.total == 3


def test_a_manifest_of_an_earlier_version_opens_without_an_intake() -> None:
    source = SourceIdentity(kind="test", fingerprint="0", description="rows of a test")
    old = DatasetManifest(files=(), rows=1, columns={}, source=source).model_dump_json(exclude={"intake"})
    assert DatasetManifest.model_validate_json(old).intake is None


@pytest.mark.parametrize(
    "name", ["../planted.py", "/etc/passwd", "a/../../b", "", ".", "a\\b", "a//b", "./a", "..", "a\0b", "a/.."]
)
def test_a_name_of_a_manifest_cannot_leave_its_directory(name: str) -> None:
    with pytest.raises(ValidationError, match="leads out of the directory"):
        FileEntry(name=name, sha256="", bytes=0)


@pytest.mark.parametrize("name", ["rows-00000.parquet", "train/rows-00000.parquet", "..a/b..", "ä b.json"])
def test_any_other_name_is_taken(name: str) -> None:
    assert FileEntry(name=name, sha256="", bytes=0).name == name

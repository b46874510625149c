"""Generated folders and Parquet columns of pictures: each comes back, is counted as left out, or is named by an error.

GENERATED_EXAMPLES=5000 python -m pytest tests/integration/test_generated_pictures.py
"""

import io
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.artifacts import Dataset
from evergreen.core.errors import InputError
from evergreen.core.intake import Intake
from evergreen.core.members import source_of
from evergreen.data.pictures import PICTURE_FORMATS, PictureError, decode_mask, decode_picture
from tests.generated import examples
from tests.rows import rows_of

SETTINGS = examples(0.5, in_ci=150)

FORMS = {
    ".png": "PNG",
    ".PNG": "PNG",
    ".jpg": "JPEG",
    ".JPEG": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".TIFF": "TIFF",
    ".gif": "GIF",
}
OTHER_SUFFIXES = ("", ".heic", ".txt", ".png.gz", ".psd", ".svg")
GOOD = ("L", "RGB", "P", "RGBA", "1", "CMYK")
BAD = ("deep", "frames", "truncated", "empty", "eps", "text")
STEMS = ("a", "_a", "A", "caf\u00e9", "cafe\u0301", "x y", "#1", "日本", "a.b", "-", "sub/a", "_sub/_b", "z" * 90)
HIDDEN = (".a.png", "Thumbs.db", "_SUCCESS", "._a.jpg", "desktop.ini")
HIDDEN_FOLDERS = (".git/a.png", "__MACOSX/a.png", "_delta_log/a.png")
MASK = np.array([[0, 1, 2, 0], [2, 2, 1, 0], [9, 0, 0, 1]], dtype=np.uint8)


class Entry(NamedTuple):
    """One picture of a folder, and what becomes of its mask."""

    stem: str
    suffix: str
    content: str
    mask: str


@cache
def content_of(kind: str, form: str) -> bytes:
    """The bytes of a picture of a mode, or of what is no picture."""
    pixels = np.random.default_rng(len(kind)).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    if kind == "eps":
        return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 3\nshowpage\n"
    if kind in ("empty", "text"):
        return b"" if kind == "empty" else b"no picture at all"
    if kind == "truncated":
        return saved(image, form)[:-9] if form in ("BMP", "TIFF") else saved(image, form)[:40]
    if kind == "deep":
        return saved(Image.fromarray(np.full((3, 4), 5_000, np.uint16)), "TIFF" if form == "TIFF" else "PNG")
    if kind == "frames":
        several = form if form in ("GIF", "TIFF", "WEBP") else "GIF"
        return saved(image, several, save_all=True, append_images=[Image.fromarray(255 - pixels)])
    modes = {"JPEG": ("L", "RGB", "CMYK"), "TIFF": GOOD, "WEBP": ("RGB", "RGBA")}.get(form, ("L", "RGB", "P", "1"))
    return saved(image.convert(kind if kind in modes else "RGB"), form)


def saved(image: Image.Image, form: str, **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue()


@cache
def mask_of(suffix: str) -> bytes:
    return saved(Image.fromarray(MASK, mode="L"), FORMS[suffix])


def put(root: Path, name: str, content: bytes) -> bool:
    """Whether a new file was written."""
    path = root / name
    if path.exists() or path.is_symlink():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return True


def check_picture(stored: bytes, given: bytes, kind: str) -> None:
    """Good ones have the pixels that Pillow sees in the file; others are kept as they are, and cannot be decoded."""
    if kind in GOOD:
        expected = np.asarray(Image.open(io.BytesIO(given)).convert("RGB"))
        assert np.array_equal(decode_picture(stored, PICTURE_FORMATS), expected)
        return
    assert stored == given
    try:
        decode_picture(stored)
    except PictureError:
        return
    raise AssertionError(f"{kind} was decoded")


def intake_of(dataset: Dataset) -> Intake:
    assert dataset.manifest.intake is not None
    return dataset.manifest.intake


ENTRIES = st.builds(
    Entry,
    stem=st.sampled_from(STEMS),
    suffix=st.sampled_from((*FORMS, *OTHER_SUFFIXES)),
    content=st.sampled_from((*GOOD, *GOOD, *BAD)),
    mask=st.sampled_from((".png", ".png", ".PNG", ".tif", ".bmp", ".gif", "respelt", "none", "broken link")),
)


def respelt(stem: str) -> str:
    """The stem with its accents in the other spelling."""
    return normalize("NFD" if normalize("NFC", stem) == stem else "NFC", stem)


class Folder:
    """A folder of pictures and one of masks, and what is to be expected of them."""

    def __init__(self, root: Path) -> None:
        self.images, self.masks = root / "images", root / "masks"
        self.images.mkdir()
        self.masks.mkdir()
        self.rows: dict[str, tuple[bytes, str, str | None]] = {}
        self.left_out: Counter[str] = Counter()
        self.alike: set[str] = set()

    def add(self, entry: Entry) -> None:
        """Writes the picture and its mask."""
        is_read = entry.suffix in FORMS
        content = content_of(entry.content, FORMS.get(entry.suffix, "PNG"))
        if not put(self.images, f"{entry.stem}{entry.suffix}", content):
            return
        if not is_read:
            reason = f"file with suffix {entry.suffix.lower()}" if entry.suffix else "file without suffix"
            if entry.suffix == "" and "." in entry.stem:
                reason = f"file with suffix {Path(entry.stem).suffix}"
            self.left_out[reason] += 1
            return
        if any(normalize("NFC", entry.stem) == normalize("NFC", name) for name in self.rows):
            self.alike.add(entry.stem)
            return
        self.rows[entry.stem] = (content, entry.content, self._add_mask(entry))

    def _add_mask(self, entry: Entry) -> str | None:
        """The mask's suffix, or None where it has none."""
        if entry.mask == "none":
            return None
        if entry.mask == "broken link":
            link = self.masks / f"{entry.stem}.png"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to("/nowhere/at/all.png")
            self.left_out["broken link"] += 1
            return None
        stem = respelt(entry.stem) if entry.mask == "respelt" else entry.stem
        suffix = entry.mask if entry.mask in FORMS else ".png"
        return suffix if put(self.masks, f"{stem}{suffix}", mask_of(suffix)) else None

    def source(self) -> FilesSettings:
        """The source that reads both."""
        return FilesSettings(path=str(self.images), masks=str(self.masks), format="image_folders")


def filled(root: Path, entries: list[Entry], beside: list[str], alone: int) -> Folder:
    folder = Folder(root)
    for entry in entries:
        folder.add(entry)
    for name in beside:
        put(folder.images, name, content_of("RGB", "PNG"))
        folder.left_out["hidden folder" if "/" in name else "hidden file"] += 1
    for number in range(alone):
        put(folder.masks, f"alone-{number}.png", mask_of(".png"))
        folder.left_out["mask without a picture"] += 1
    return folder


def check_folder(folder: Folder, out_dir: Path) -> str:
    """What came of reading the folder, in a word."""
    try:
        dataset = source_of(folder.source()).read(None, out_dir)
    except InputError as error:
        message = str(error)
        if folder.alike:
            assert "are named alike" in message
            return "named alike"
        assert not any(mask for _, _, mask in folder.rows.values())
        assert str(folder.images) in message or str(folder.masks) in message
        return "nothing to read"
    assert not folder.alike
    rows = {row["id"]: row for row in rows_of(dataset.shards)}
    assert rows.keys() == folder.rows.keys()
    for name, (content, kind, mask) in folder.rows.items():
        check_picture(rows[name]["image"], content, kind)
        if mask == ".gif":
            with pytest.raises(PictureError, match="renumber the values of masks"):
                decode_mask(rows[name]["mask"])
        elif mask:
            assert decode_mask(rows[name]["mask"]).tolist() == MASK.tolist()
        else:
            assert rows[name]["mask"] is None
    intake = intake_of(dataset)
    assert intake.left_out == dict(folder.left_out)
    assert (intake.seen, intake.read) == (len(rows) + sum(folder.left_out.values()), len(rows))
    return "read"


def test_every_file_of_a_folder_is_read_or_counted_or_named_by_an_error(capsys: Any) -> None:
    counts: Counter[str] = Counter()

    @SETTINGS
    @given(
        entries=st.lists(ENTRIES, max_size=8, unique_by=lambda entry: entry.stem),
        beside=st.lists(st.sampled_from((*HIDDEN, *HIDDEN_FOLDERS)), max_size=3, unique=True),
        alone=st.integers(0, 2),
    )
    @example(entries=[Entry("_DSC0001", ".png", "RGB", ".png"), Entry("a", ".png", "eps", ".png")], beside=[], alone=1)
    def check(entries: list[Entry], beside: list[str], alone: int) -> None:
        with TemporaryDirectory() as name:
            folder = filled(Path(name), entries, beside, alone)
            outcome = check_folder(folder, Path(name) / "out")
        counts.update([outcome, *(f"{kind} pictures" for _, kind, _ in folder.rows.values())])
        counts.update({f"left out: {reason}": number for reason, number in folder.left_out.items()})

    check()
    assert counts["read"] > SETTINGS.max_examples / 3
    with capsys.disabled():
        print(f"\nfolders of pictures: {dict(sorted(counts.items()))}")  # noqa: T201 - counts are worth reading


REPRESENTATIONS: dict[str, Callable[[list[Any]], Any]] = {
    "binary": lambda values: pa.array(values, pa.binary()),
    "large_binary": lambda values: pa.array(values, pa.large_binary()),
    "binary_view": lambda values: pa.array(values, pa.binary_view()),
    "dictionary": lambda values: pa.array(values, pa.binary()).dictionary_encode(),
    "structures": lambda values: pa.array(
        [{"bytes": value, "path": None} for value in values], pa.struct({"bytes": pa.binary(), "path": pa.string()})
    ),
    "large structures": lambda values: pa.array(
        [{"path": None if value is None else "a.png", "bytes": value} for value in values],
        pa.struct({"path": pa.large_string(), "bytes": pa.large_binary()}),
    ),
    "text": lambda values: pa.array([None if value is None else "a.png" for value in values], pa.string()),
    "only named": lambda values: pa.array([{"bytes": None, "path": "a.png"} for _ in values]),
}


def test_every_picture_of_a_column_is_read_or_named_by_an_error(capsys: Any) -> None:
    counts: Counter[str] = Counter()
    contents = st.tuples(st.sampled_from((*GOOD, *BAD, "null")), st.sampled_from(sorted(set(FORMS.values()))))

    @SETTINGS
    @given(
        rows=st.lists(contents, min_size=1, max_size=6),
        image=st.sampled_from(sorted(REPRESENTATIONS)),
        mask=st.sampled_from(["binary", "binary_view", "dictionary", "structures"]),
        group=st.integers(1, 4),
    )
    def check(rows: list[tuple[str, str]], image: str, mask: str, group: int) -> None:
        given_bytes = [None if kind == "null" else content_of(kind, form) for kind, form in rows]
        masks = [mask_of(".tif" if number % 2 else ".png") for number in range(len(rows))]
        with TemporaryDirectory() as name:
            file = Path(name) / "a.parquet"
            columns = {"image": REPRESENTATIONS[image](given_bytes), "mask": REPRESENTATIONS[mask](masks)}
            pq.write_table(pa.table(columns), file, row_group_size=group)
            source = FilesSettings(path=str(file), columns={"image": "image", "mask": "mask"})
            try:
                dataset = source_of(source).read(None, Path(name) / "out")
            except InputError as error:
                refused = "column 'image'" in str(error) and image in ("text", "only named")
                if not refused:
                    raise
                counts[f"refused: {image}"] += 1
                return
            read = rows_of(dataset.shards)
            assert intake_of(dataset) == Intake(seen=len(rows), read=len(rows))
        for row, (kind, _), content in zip(read, rows, given_bytes, strict=True):
            assert decode_mask(row["mask"]).tolist() == MASK.tolist()
            if content is None:
                assert row["image"] is None
            else:
                check_picture(row["image"], content, kind)
        counts.update([f"read: {image}", *(f"{kind} pictures" for kind, _ in rows)])

    check()
    with capsys.disabled():
        print(f"\ncolumns of pictures: {dict(sorted(counts.items()))}")  # noqa: T201 - counts are worth reading

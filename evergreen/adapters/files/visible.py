"""Which files a path means, and what lies beside them unread: hidden names, markers of other programs, broken links.

One rule for folders and globs here and in buckets: a name is hidden that begins with `.`, or that a program leaves as a
marker, such as `_SUCCESS`. `_DSC0001.png` is a picture.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from evergreen.core.errors import InputError
from evergreen.core.intake import LeftOut, LeftOutReason

_MARKERS = (
    # of Spark, Hadoop, Delta Lake and Hudi
    *("_success", "_metadata", "_common_metadata", "_committed_*", "_started_*", "_temporary", "_delta_log"),
    *("_spark_metadata", "_symlink_format_manifest", "_change_data", "_delta_index"),
    # of our own preparation
    *("_statistics.json", "_rejected.jsonl", "_preparing-*"),
    # of systems and their archives
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "lost+found"),
    "system volume information",
)
"""Names, in lower case, of what is no data."""

Candidate = tuple[str | None, Path]
"""Why a file is left out, or None, and where it is."""


def is_hidden(name: PurePath | str) -> bool:
    """Whether one of the path's names is hidden or a marker."""
    return any(
        part.startswith(".") or any(fnmatchcase(part.lower(), marker) for marker in _MARKERS)
        for part in PurePath(name).parts
    )


def files_below(path: str, setting: str) -> tuple[Path, list[Path], LeftOut]:
    """The folder that names are relative to, the files that a file, a folder or a glob means by name, and what else is.

    Raises:
        InputError: nothing is there, or a link that is named leads nowhere.
    """
    place = Path(path)
    if place.is_file():
        return place.parent, [place], LeftOut()
    if place.is_dir():
        return place, *_parted(place, _walked(place, frozenset({os.path.realpath(place)})))
    if place.is_symlink():
        raise _dangling(place, path, setting)
    if not glob.has_magic(path):
        raise InputError(f"no file or folder '{path}' (looked in {Path.cwd()}); set {setting}")
    parts = place.parts
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed])
    candidates = list(_matching(root, str(Path(*parts[fixed:])), path, setting))
    if not candidates:
        raise InputError(f"no file matches '{path}' (looked in {root.resolve()}); set {setting}")
    return root, *_parted(root, candidates)


def _parted(root: Path, candidates: Iterable[Candidate]) -> tuple[list[Path], LeftOut]:
    files: list[Path] = []

    def reasons() -> Iterator[tuple[str, str]]:
        for reason, file in candidates:
            if reason is None:
                files.append(file)
            else:
                yield reason, file.relative_to(root).as_posix()

    left_out = LeftOut.of(reasons())
    return sorted(files, key=lambda file: file.relative_to(root).as_posix()), left_out


def _walked(folder: Path, above: frozenset[str]) -> Iterator[Candidate]:
    """What is in the folder and below it, links followed; a hidden folder counts as one. `above` are real folders."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"folder {folder} cannot be read: {error.strerror}; check its permissions") from error
    for path in paths:
        is_folder = path.is_dir()
        if is_hidden(path.name):
            yield LeftOutReason.HIDDEN_FOLDER if is_folder else LeftOutReason.HIDDEN_FILE, path
        elif not is_folder:
            yield _fault(path), path
        elif (real := os.path.realpath(path)) in above:
            yield LeftOutReason.ENDLESS_LINK, path
        else:
            yield from _walked(path, above | {real})


def _matching(root: Path, pattern: str, path: str, setting: str) -> Iterator[Candidate]:
    """Files by pattern. Raises InputError for a broken link whose very name the pattern gives."""
    is_named = not glob.has_magic(Path(pattern).name)
    names = dict.fromkeys(Path(one).as_posix() for one in glob.glob(pattern, root_dir=root, recursive=True))  # noqa: PTH207 - Path.glob refuses `**.csv`
    for name in names:
        file = root / name
        fault = _fault(file)
        if file.is_dir():
            continue
        if fault == LeftOutReason.BROKEN_LINK and is_named:
            raise _dangling(file, path, setting)
        yield LeftOutReason.HIDDEN_FILE if is_hidden(name) else fault, file


def _fault(file: Path) -> str | None:
    """Why what is no folder cannot be read as a file."""
    if file.is_file():
        return None
    return LeftOutReason.SPECIAL_FILE if file.exists() else LeftOutReason.BROKEN_LINK


def _dangling(link: Path, path: str, setting: str) -> InputError:
    return InputError(
        f"{link} is a link to {link.readlink()}, where nothing is; mend the link, or set {setting} '{path}' to what is "
        "there"
    )

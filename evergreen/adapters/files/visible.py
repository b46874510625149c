"""Which files a path means, and what lies beside them unread: hidden names, markers of other programs, broken links.

One rule for folders and globs here and in buckets: a name is hidden that begins with `.`, or that a program leaves as a
marker, such as `_SUCCESS`. `_DSC0001.png` is a picture.
"""

from __future__ import annotations

import glob
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from evergreen.core.errors import InputError
from evergreen.core.intake import LeftOutReason
from evergreen.core.names import nearest

_MARKERS = (
    # of Spark, Hadoop, Delta Lake and Hudi
    *("_success", "_metadata", "_common_metadata", "_committed_*", "_started_*", "_temporary", "_delta_log"),
    *("_spark_metadata", "_symlink_format_manifest", "_change_data", "_delta_index"),
    # of our own preparation
    *("_prepared.json", "_statistics.json", "_rejected*.jsonl", "_preparing-*"),
    # of systems and their archives
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "lost+found"),
    "system volume information",
)
"""Names, in lower case, of what is no data."""
_NAMES = "|".join(re.escape(marker).replace(r"\*", "[^/]*") for marker in _MARKERS)
_HIDDEN = re.compile(rf"(?:^|/)(?:\.[^/]+|{_NAMES})(?:/|\Z)", re.IGNORECASE)

Entry = tuple[str | None, Path]
"""Why a file is left out, or None, and where it is."""


def is_hidden(name: PurePath | str) -> bool:
    """Whether one of the path's names is hidden or a marker."""
    return _HIDDEN.search(name.as_posix() if isinstance(name, PurePath) else name) is not None


def files_below(path: str, setting: str) -> tuple[Path, list[Path], list[tuple[str, Path]]]:
    """The folder that names are relative to, the files that a file, a folder or a glob means by name, and what else is
    there, with the reason why it is left out.

    Raises:
        InputError: nothing is there, or a link that is named leads nowhere.
    """
    place = Path(path)
    if place.is_file():
        return place.parent, [place], []
    if place.is_dir():
        return place, *_parted(place, _walked(place))
    if place.is_symlink():
        raise _dangling(place, path, setting)
    if not glob.has_magic(path):
        raise InputError(f"no file or folder '{path}'{_nearest(place)} (looked in {Path.cwd()}); set {setting}")
    parts = place.parts
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed])
    entries = list(_matching(root, str(Path(*parts[fixed:])), path, setting))
    if not entries:
        near = "" if root.exists() else _nearest(root)
        raise InputError(f"no file matches '{path}'{near} (looked in {root.resolve()}); set {setting}")
    return root, *_parted(root, entries)


def _nearest(place: Path) -> str:
    """` (did you mean 'news.csv'?)`: what is there in place of the first name of the path that is not."""
    lacking = next(folder for folder in (*reversed(place.parents), place) if not folder.exists())
    try:
        names = sorted(entry.name for entry in lacking.parent.iterdir() if not is_hidden(entry.name))
    except OSError:
        return ""
    return nearest(lacking.name, names)


def _parted(root: Path, entries: Iterable[Entry]) -> tuple[list[Path], list[tuple[str, Path]]]:
    files: list[Path] = []
    beside: list[tuple[str, Path]] = []
    for reason, file in entries:
        if reason is None:
            files.append(file)
        else:
            beside.append((reason, file))
    return (
        sorted(files, key=lambda file: file.relative_to(root).as_posix()),
        sorted(beside, key=lambda entry: entry[1].relative_to(root).parts),
    )


def _walked(root: Path) -> Iterator[Entry]:
    """What is in the folder and below it, links followed once all else is read.

    A folder is read once, however many links lead to it; one that is left out counts as one.
    """
    read: set[str] = set()
    folders, links = [root], deque[Path]()
    while folders or links:
        folder = folders.pop() if folders else links.popleft()
        real = os.path.realpath(folder)
        if real in read:
            yield _repeated(folder, real), folder
            continue
        read.add(real)
        for path in _entries(folder):
            is_folder = path.is_dir()
            if is_hidden(path.name):
                yield LeftOutReason.HIDDEN_FOLDER if is_folder else LeftOutReason.HIDDEN_FILE, path
            elif not is_folder:
                yield _fault(path), path
            else:
                (links if path.is_symlink() else folders).append(path)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"folder {folder} cannot be read: {error.strerror}; check its permissions") from error


def _repeated(folder: Path, real: str) -> str:
    is_endless = f"{os.path.realpath(folder.parent)}/".startswith(f"{real}/")
    return LeftOutReason.ENDLESS_LINK if is_endless else LeftOutReason.REPEATED_FOLDER


def _matching(root: Path, pattern: str, path: str, setting: str) -> Iterator[Entry]:
    """Files by pattern. Raises InputError for a broken link whose very name the pattern gives."""
    is_named = not glob.has_magic(Path(pattern).name)
    names = dict.fromkeys(Path(match).as_posix() for match in glob.glob(pattern, root_dir=root, recursive=True))  # noqa: PTH207 - Path.glob refuses `**.csv`
    read: set[tuple[str, str]] = set()
    for name in sorted(names, key=lambda name: (name.count("/"), name)):
        file = root / name
        fault = _fault(file)
        if file.is_dir():
            continue
        if fault == LeftOutReason.BROKEN_LINK and is_named:
            raise _dangling(file, path, setting)
        if is_hidden(name):
            fault = LeftOutReason.HIDDEN_FILE
        elif (real := (os.path.realpath(file.parent), file.name)) in read:
            fault = LeftOutReason.REPEATED_FILE
        else:
            read.add(real)
        yield fault, file


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

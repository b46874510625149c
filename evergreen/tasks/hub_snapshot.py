"""A model of the Hugging Face Hub as a folder of this machine, at one commit.

What the Hub's cache holds is used as it is: the Hub is asked for the commit that a branch stands for, once in a process
so that all files are of one commit, and for files that are not there yet. Where it does not answer, the commit that the
cache knows goes on.

<cache>/models--distilbert--distilbert-base-uncased/snapshots/12040ac…/{config.json, tokenizer.json, model.safetensors}
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

from evergreen.runtime.hub import first_line, is_out_of_reach, retried
from evergreen.tasks.encoder_files import CONFIG, WEIGHTS, WEIGHTS_INDEX, UnusableError, weights_among, weights_files

_SMALL = {".json", ".txt", ".model", ".jinja", ".tiktoken", ".vocab", ".bpe"}
"""By their ends: configurations, tokenizers, the index of shards."""
_ANSWER_S = 20.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HubModel:
    """A repository at a revision (a branch, a tag or a commit; None: its main branch)."""

    name: str
    revision: str | None
    token: str | None

    def small_files(self) -> Path:
        """The folder of configuration and tokenizer, named by the commit; weights may be missing.

        Raises:
            UnusableError: the repository has no weights that could be loaded.
            Exception: the Hub's client's own, where the Hub refuses, or is out of reach and the cache has nothing.
        """
        return self._folder(self._cached(), weights=False)

    def whole(self) -> Path:
        """The same folder, weights and all."""
        cached = self._cached()
        return self._folder(cached if cached is not None and has_weights(cached) else None, weights=True)

    def check_weights(self, folder: Path) -> None:
        """Returns when the header of the weights at the folder's commit can be read; weights are not fetched.

        Raises:
            UnusableError: it cannot.
        """
        from huggingface_hub import HfApi
        from huggingface_hub.errors import NotASafetensorsRepoError, SafetensorsParsingError

        api = HfApi(token=self.token)
        for name in self._weights_files(folder)[:1]:  # shards are written together
            try:
                retried(partial(api.parse_safetensors_file_metadata, self.name, name, revision=folder.name))
            except (NotASafetensorsRepoError, SafetensorsParsingError) as error:
                raise UnusableError(
                    f"{name} is no safetensors file ({first_line(error)}); take another revision"
                ) from error

    def _folder(self, cached: Path | None, *, weights: bool) -> Path:
        try:
            info = self._info() if cached is not None else retried(self._info)
        except Exception as error:
            if cached is None or not is_out_of_reach(error):
                raise
            warning = "the Hugging Face Hub does not answer (%s); %s is taken from this machine's cache, at commit %s"
            _log.warning(warning, first_line(error), self.name, cached.name)
            return cached
        names = {str(file.rfilename) for file in info.siblings or ()}
        weights_among(names)
        folder = self._fetched(info.sha, names)
        if weights:
            for name in self._weights_files(folder):
                self._download(name, folder.name)
        return folder

    def _fetched(self, commit: str, names: Collection[str]) -> Path:
        """The folder of a commit after its small files were fetched; the cache knows by now what the revision is."""
        cached = self._cached()
        if cached is None or cached.name != commit:
            self._download(CONFIG, self.revision)
            cached = self._download(CONFIG, commit).parent  # the branch may have moved since
        for name in sorted(names):
            if PurePosixPath(name).name == name and PurePosixPath(name).suffix in _SMALL:
                self._download(name, cached.name)
        return cached

    def _weights_files(self, folder: Path) -> list[str]:
        names = [path.name for path in folder.iterdir()]
        return weights_files(folder) if WEIGHTS_INDEX in names else [WEIGHTS]

    def _cached(self) -> Path | None:
        """The folder of the commit that the cache knows the revision by."""
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(self.name, CONFIG, revision=self.revision)
        return Path(path).parent if isinstance(path, str) else None

    def _info(self) -> Any:
        from huggingface_hub import constants

        return _information(constants.ENDPOINT, self.name, self.revision, self.token)

    def _download(self, name: str, revision: str | None) -> Path:
        """The file in the cache; nothing is asked where it is there and the revision is a commit."""
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(self.name, name, revision=revision, token=self.token))


@cache
def _information(endpoint: str, name: str, revision: str | None, token: str | None) -> Any:
    """What a Hub said first of a revision: its commit and the names of its files."""
    from huggingface_hub import HfApi

    return HfApi(endpoint, token=token).model_info(name, revision=revision, timeout=_ANSWER_S)


def has_weights(folder: Path) -> bool:
    """Whether all files of the weights are in a folder."""
    try:
        return all((folder / name).is_file() for name in weights_files(folder))
    except UnusableError:
        return False

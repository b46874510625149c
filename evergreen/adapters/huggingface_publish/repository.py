"""A repository of the Hub brought to what it should hold; each call finds out what is missing, and adds only that."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evergreen.core.errors import EvergreenError, InputError
from evergreen.runtime.hub import first_line, is_outage, retried

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAIN = "main"
KEPT = ".gitattributes"


@dataclass(frozen=True)
class HubRepository:
    """One model or Space. `api` holds the token, and is kept out of texts."""

    api: HfApi = field(repr=False)
    name: str
    kind: str

    def ensure(self, *, private: bool, **creation: Any) -> None:
        """Makes the repository where there is none. Raises InputError for one that everybody sees and nobody should."""
        retried(
            lambda: self.api.create_repo(self.name, repo_type=self.kind, private=private, exist_ok=True, **creation)
        )
        self.check_private(private=private)

    def check_private(self, *, private: bool) -> None:
        """Raises InputError where everybody sees the repository that should be `private`."""
        if private and not retried(lambda: self.api.repo_info(self.name, repo_type=self.kind)).private:
            raise InputError(
                f"{self.kind} {self.name} exists and everybody sees it; make it private in its settings, name another, "
                "or set publish.private: false"
            )

    def tagged(self, tag: str) -> str | None:
        """The commit behind a tag; None without it."""
        refs = retried(lambda: self.api.list_repo_refs(self.name, repo_type=self.kind))
        return next((ref.target_commit for ref in refs.tags if ref.name == tag), None)

    def branch(self, name: str) -> None:
        """Makes a branch where there is none."""
        retried(lambda: self.api.create_branch(self.name, repo_type=self.kind, branch=name, exist_ok=True))

    def tag(self, name: str, commit: str) -> None:
        """Tags a commit."""
        retried(lambda: self.api.create_tag(self.name, repo_type=self.kind, tag=name, revision=commit, exist_ok=True))

    def hold(self, files: Mapping[str, Path | bytes], branch: str, message: str) -> tuple[str, bool]:
        """The commit at which a branch holds these files and no others, and whether it is a new one.

        Files that did not change are not sent: the client asks for their checksums first.
        """
        before = self._head(branch)
        retried(lambda: self._commit(files, branch, message))
        after = self._head(branch)
        return after, after != before

    def keep_secret(self, name: str, value: str) -> bool:
        """Sets a Space's secret where it is missing or another one, which starts the Space anew; whether it did.

        The Hub gives no secret back: its description, seen by those who may write alone, tells the value's digest.
        """
        description = f"set by Evergreen, {hashlib.sha256(value.encode()).hexdigest()[:12]}"
        held = retried(lambda: self.api.get_space_secrets(self.name)).get(name)
        if held is not None and held.description == description:
            return False
        retried(lambda: self.api.add_space_secret(self.name, name, value, description=description))
        return True

    def same_files(self, revision: str, other: str) -> bool:
        """Whether two revisions hold equal files."""
        return self._listing(revision) == self._listing(other)

    def _commit(self, files: Mapping[str, Path | bytes], branch: str, message: str) -> None:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        held = self.api.list_repo_files(self.name, repo_type=self.kind, revision=branch)
        gone = [CommitOperationDelete(name) for name in held if name not in files and name != KEPT]
        added = [CommitOperationAdd(name, _content(content)) for name, content in sorted(files.items())]
        self.api.create_commit(self.name, [*gone, *added], repo_type=self.kind, revision=branch, commit_message=message)

    def _head(self, branch: str) -> str:
        info = retried(lambda: self.api.repo_info(self.name, repo_type=self.kind, revision=branch))
        return str(info.sha)

    def _listing(self, revision: str) -> dict[str, str]:
        from huggingface_hub.hf_api import RepoFile

        entries = retried(
            lambda: list(self.api.list_repo_tree(self.name, repo_type=self.kind, revision=revision, recursive=True))
        )
        return {entry.path: entry.blob_id for entry in entries if isinstance(entry, RepoFile)}


def _content(content: Path | bytes) -> str | bytes:
    return str(content) if isinstance(content, Path) else content


@contextmanager
def translated(repository: str, token_env: str) -> Iterator[None]:
    """Raises what goes wrong inside as InputError (the token, the repository) or EvergreenError (the Hub).

    Each is one line that tells what to do, and none holds a token.
    """
    from httpx2 import HTTPError
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    try:
        yield
    except (HfHubHTTPError, HTTPError, OSError, RuntimeError, ValueError) as error:
        if is_outage(error):
            raise EvergreenError(
                f"the Hugging Face Hub does not answer for {repository}: {first_line(error)}; run again later, what is "
                "published already stays"
            ) from error
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
        if status == HTTPStatus.UNAUTHORIZED and not isinstance(error, RepositoryNotFoundError):
            raise InputError(
                f"the Hugging Face Hub does not know the token in {token_env}; make one that may write to {repository} "
                f"(Settings, Access Tokens) and set {token_env} to it"
            ) from error
        if status in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND):
            raise InputError(
                f"the token in {token_env} may not write to {repository} ({status}); give it that right, or set "
                "publish.repository to one that it may write to"
            ) from error
        raise EvergreenError(f"{repository} cannot be published: {first_line(error)}") from error

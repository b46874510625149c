"""Publishes versions on the Hugging Face Hub.

publish:
  kind: huggingface_hub
  repository: my-organisation/news
  token_env: HF_TOKEN
  space: {repository: my-organisation/news-demo, token_env: HF_READ_TOKEN}
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import StringConstraints, model_validator

from evergreen.adapters.huggingface_publish.card import model_card
from evergreen.adapters.huggingface_publish.failures import translated
from evergreen.adapters.huggingface_publish.repository import MAIN, HubRepository
from evergreen.adapters.huggingface_publish.space import space_files
from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.core.hub import retried, token_in
from evergreen.core.publication import Edition, Publication

Repository = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]{0,95}/\w[\w.-]{0,95}$")]
SECRET = "HF_TOKEN"  # noqa: S105 (its name)
"""Of a Space, by which it reads the model."""
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class HuggingFaceSpace(Frozen):
    """A page to try the model. `token_env` holds a token that may only read: the Space keeps it as a secret."""

    repository: Repository
    token_env: Variable | None = None


class HuggingFaceHub(Frozen):
    """A model repository with a branch `version-<version>` and a tag `v<version>` each; the tag never moves.

    `main` follows what is live. The token that may write is read from the variable `token_env`. With `when: candidate`
    a version is published before its rollout, too, which needs `private`; `main` stays until it is live. `dry_run` only
    says what would be done. `license` is the Hub's name of a licence, e.g. `apache-2.0`.
    """

    kind: Literal["huggingface_hub"] = "huggingface_hub"
    repository: Repository
    token_env: Variable = "HF_TOKEN"  # noqa: S105 (the name of a variable)
    private: bool = True
    license: str | None = None
    space: HuggingFaceSpace | None = None
    when: Literal["live", "candidate"] = "live"
    dry_run: bool = False

    @model_validator(mode="after")
    def _candidates_are_private(self) -> Self:
        if self.when == "candidate" and not self.private:
            raise ValueError("a candidate is published for review alone: set private: true, or when: live")
        if self.space and self.private and self.space.token_env is None:
            raise ValueError("the Space of a private model reads it with a token of its own: set space.token_env")
        return self

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that hold its tokens."""
        return (self.token_env, *([self.space.token_env] if self.space and self.space.token_env else []))

    def plan(self) -> str:
        """What a run would publish where."""
        seen = "private" if self.private else "public"
        when = (
            "once it is live" if self.when == "live" else "before its rollout, for review, and as main once it is live"
        )
        space = f", to be tried in the Space {self.space.repository}" if self.space else ""
        nothing = "; dry_run: nothing is sent" if self.dry_run else ""
        return f"Hugging Face Hub: the version {when}, to {self.repository} ({seen}){space}{nothing}"

    def check(self) -> str:
        """Who would publish where.

        Raises:
            InputError: a token is not set, refused, or may not write there.
            EvergreenError: the Hub does not answer.
        """
        from huggingface_hub.errors import RepositoryNotFoundError

        api = self._api()
        for kind, name in self._repositories():
            with translated(name, self.token_env):
                who = retried(api.whoami)
                try:
                    retried(partial(api.auth_check, name, repo_type=kind, write=True))
                except RepositoryNotFoundError:
                    self._check_namespace(name, who)
                else:
                    HubRepository(api, name, kind).check_private(private=self.private)
        return f"{self.repository}, as {who['name']}"

    def publish(self, edition: Edition, *, live: bool) -> Publication:
        """The version with its card under a branch and a tag of its own, and the Space that is pinned to the tag.

        One that is `live` is what `main` holds, too.

        Raises:
            InputError: a token is not set, refused, or may not write there.
            EvergreenError: the Hub does not answer.
        """
        tag = f"v{edition.version}"
        if self.dry_run:
            return Publication(outcome="planned", message=self.plan(), version=edition.version, revision=tag)
        api = self._api()
        with translated(self.repository, self.token_env):
            commit, changed = self._publish_model(HubRepository(api, self.repository, "model"), edition, tag, live=live)
        url = f"{api.endpoint}/{self.repository}/tree/{tag}"
        space_url = None
        if self.space:
            with translated(self.space.repository, self.token_env):
                changed |= self._publish_space(api, self.space, edition, tag, url)
            space_url = f"{api.endpoint}/spaces/{self.space.repository}"
        return Publication(
            outcome="published" if changed else "unchanged",
            message=f"{edition.version} {'published as' if changed else 'was published already as'} {tag}",
            version=edition.version,
            url=url,
            revision=tag,
            commit=commit,
            space_url=space_url,
        )

    def _publish_model(self, repository: HubRepository, edition: Edition, tag: str, *, live: bool) -> tuple[str, bool]:
        """The tagged commit, and whether anything was missing. The tag comes last: it says that all is there."""
        repository.ensure(private=self.private)
        commit, changed = repository.tagged(tag), False
        files: dict[str, Any] = {entry.name: edition.model.path / entry.name for entry in edition.model.manifest.files}
        files["manifest.json"] = edition.model.path / "manifest.json"
        files["README.md"] = model_card(edition, self.repository, tag, self.license).encode()
        if commit is None:
            branch = f"version-{edition.version}"  # bare, tools may take it for the beginning of a commit's hash
            repository.branch(branch)
            commit, _ = repository.hold(files, branch, f"Version {edition.version}")
            repository.tag(tag, commit)
            changed = True
        if live and not repository.same_files(MAIN, commit):
            repository.hold(files, MAIN, f"Version {edition.version} is live")
            changed = True
        return commit, changed

    def _publish_space(self, api: Any, space: HuggingFaceSpace, edition: Edition, tag: str, url: str) -> bool:
        """Whether anything was missing. The secret comes first: it starts the Space anew, as what follows does."""
        repository = HubRepository(api, space.repository, "space")
        repository.ensure(private=self.private, space_sdk="gradio")
        secret = self._secret(space.token_env) if space.token_env else ""
        files = space_files(edition, self.repository, tag, url)
        rotated = bool(secret) and repository.keep_secret(SECRET, secret)
        _, changed = repository.hold(files, MAIN, f"Version {edition.version}")
        return changed or rotated

    def _check_namespace(self, name: str, who: dict[str, Any]) -> None:
        """Raises InputError unless the token's holder may make a repository that is not there yet."""
        allowed = [who["name"], *(one["name"] for one in who.get("orgs", []))]
        role = who.get("auth", {}).get("accessToken", {}).get("role")
        if name.partition("/")[0] not in allowed or role == "read":
            raise InputError(
                f"there is no {name}, and the token in {self.token_env} may not make it (it may "
                f"{'only read' if role == 'read' else 'write below ' + ', '.join(allowed)}); make the repository, or "
                "use a token that may"
            )

    def _repositories(self) -> list[tuple[str, str]]:
        return [("model", self.repository), *([("space", self.space.repository)] if self.space else [])]

    def _api(self) -> Any:
        from huggingface_hub import HfApi

        token, *_ = [self._secret(variable) for variable in self.variables]
        return HfApi(token=token)

    def _secret(self, variable: str) -> str:
        return token_in(
            variable, "list the secret that holds it under `secrets:`, or export it, to publish on the Hugging Face Hub"
        )

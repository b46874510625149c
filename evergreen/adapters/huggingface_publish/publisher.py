"""Publishes versions on the Hugging Face Hub; each call finds out what is missing, and adds only that."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from evergreen.adapters.huggingface_publish.card import model_card
from evergreen.adapters.huggingface_publish.repository import MAIN, HubRepository, translated
from evergreen.adapters.huggingface_publish.settings import HuggingFaceHubSettings, HuggingFaceSpace
from evergreen.adapters.huggingface_publish.space import space_files
from evergreen.core.errors import InputError
from evergreen.core.publication import Edition, Publication
from evergreen.runtime.hub import retried, token_in

if TYPE_CHECKING:
    from huggingface_hub import HfApi

SECRET = "HF_TOKEN"  # noqa: S105 (its name)
"""Of a Space, by which it reads the model."""


class HuggingFaceHub:
    """The `Publisher` of these settings."""

    def __init__(self, settings: HuggingFaceHubSettings) -> None:
        self._settings = settings

    def plan(self) -> str:
        """What a run would publish where."""
        to = self._settings
        seen = "private" if to.private else "public"
        when = "once it is live" if to.when == "live" else "before its rollout, for review, and as main once it is live"
        space = f", to be tried in the Space {to.space.repository}" if to.space else ""
        nothing = "; dry_run: nothing is sent" if to.dry_run else ""
        return f"Hugging Face Hub: the version {when}, to {to.repository} ({seen}){space}{nothing}"

    def check(self) -> str:
        """Who would publish where.

        Raises:
            InputError: a token is not set, refused, or may not write there.
            EvergreenError: the Hub does not answer.
        """
        from huggingface_hub.errors import RepositoryNotFoundError

        api = self._api()
        for kind, name in self._repositories():
            with translated(name, self._settings.token_env):
                who = retried(api.whoami)
                try:
                    retried(partial(api.auth_check, name, repo_type=kind, write=True))
                except RepositoryNotFoundError:
                    self._check_namespace(name, who)
                else:
                    HubRepository(api, name, kind).check_private(private=self._settings.private)
        return f"{self._settings.repository}, as {who['name']}"

    def publish(self, edition: Edition, *, live: bool) -> Publication:
        """The version with its card under a branch and a tag of its own, and the Space that is pinned to the tag.

        One that is `live` is what `main` holds, too.

        Raises:
            InputError: a token is not set, refused, or may not write there.
            EvergreenError: the Hub does not answer.
        """
        tag = f"v{edition.version}"
        if self._settings.dry_run:
            return Publication(outcome="planned", message=self.plan(), version=edition.version, revision=tag)
        api = self._api()
        with translated(self._settings.repository, self._settings.token_env):
            commit, changed = self._publish_model(
                HubRepository(api, self._settings.repository, "model"), edition, tag, live=live
            )
        url = f"{api.endpoint}/{self._settings.repository}/tree/{tag}"
        space_url = None
        if self._settings.space:
            with translated(self._settings.space.repository, self._settings.token_env):
                changed |= self._publish_space(api, self._settings.space, edition, tag, url)
            space_url = f"{api.endpoint}/spaces/{self._settings.space.repository}"
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
        repository.ensure(private=self._settings.private)
        commit, changed = repository.tagged(tag), False
        files: dict[str, Any] = {entry.name: edition.model.path / entry.name for entry in edition.model.manifest.files}
        files["manifest.json"] = edition.model.path / "manifest.json"
        files["README.md"] = model_card(edition, self._settings.repository, tag, self._settings.license).encode()
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

    def _publish_space(self, api: HfApi, space: HuggingFaceSpace, edition: Edition, tag: str, url: str) -> bool:
        """Whether anything was missing. The secret comes first: it starts the Space anew, as what follows does."""
        repository = HubRepository(api, space.repository, "space")
        repository.ensure(private=self._settings.private, space_sdk="gradio")
        secret = self._secret(space.token_env) if space.token_env else ""
        files = space_files(edition, self._settings.repository, tag, url)
        rotated = bool(secret) and repository.keep_secret(SECRET, secret)
        _, changed = repository.hold(files, MAIN, f"Version {edition.version}")
        return changed or rotated

    def _check_namespace(self, name: str, who: dict[str, Any]) -> None:
        """Raises InputError unless the token's holder may make a repository that is not there yet."""
        allowed = [who["name"], *(organisation["name"] for organisation in who.get("orgs", []))]
        role = who.get("auth", {}).get("accessToken", {}).get("role")
        if name.partition("/")[0] not in allowed or role == "read":
            raise InputError(
                f"there is no {name}, and the token in {self._settings.token_env} may not make it (it may "
                f"{'only read' if role == 'read' else 'write below ' + ', '.join(allowed)}); make the repository, or "
                "use a token that may"
            )

    def _repositories(self) -> list[tuple[str, str]]:
        space = self._settings.space
        return [("model", self._settings.repository), *([("space", space.repository)] if space else [])]

    def _api(self) -> HfApi:
        from huggingface_hub import HfApi

        tokens = {field: self._secret(variable) for field, variable in self._settings.variables.items()}
        return HfApi(token=tokens["token_env"])

    def _secret(self, variable: str) -> str:
        return token_in(
            variable, "list the secret that holds it under `secrets:`, or export it, to publish on the Hugging Face Hub"
        )

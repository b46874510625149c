"""What the Hub does with repositories; each method is one address of its interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import yaml

from cloudbox.hub import answers, commits
from cloudbox.hub.access import Call
from cloudbox.hub.accounts import USER, whoami
from cloudbox.hub.failures import HubError, no_entry, no_repository, no_revision
from cloudbox.hub.objects import Objects
from cloudbox.hub.repositories import KINDS, MAIN, Repositories, Repository, Secret, now

Json = dict[str, Any]


@dataclass(frozen=True)
class Methods:
    """The methods over one set of repositories."""

    repositories: Repositories
    objects: Objects

    def whoami(self, call: Call) -> Json:
        """The holder of the token."""
        if call.role is None:
            raise HubError(401, "Invalid username or password.")
        return whoami(call.role)

    def agent_harnesses(self, call: Call) -> Json:  # noqa: ARG002 (a method's signature)
        """No coding agent's name: the client asks once a day which ones it should tell the Hub of."""
        return {"standardEnvVars": [], "harnesses": {}}

    def validate_yaml(self, call: Call) -> Json:
        """Whether the metadata on top of a README can be read; what it says is not judged."""
        content = str(call.body["content"])
        try:
            header = yaml.safe_load(content.split("---")[1]) if content.startswith("---") else {}
        except (yaml.YAMLError, IndexError) as error:
            raise HubError(400, f"Invalid YAML metadata: {error}") from error
        warnings = [] if header else [{"message": "empty or missing yaml metadata in repo card"}]
        return {"errors": [], "warnings": warnings}

    def create(self, call: Call) -> Json:
        """A new repository with one commit."""
        kind, name = _named(call.body)
        call.check_namespace(name.partition("/")[0], f"create a {kind.removesuffix('s')} under {name}")
        private = call.body.get("visibility") == "private"
        secrets = {secret["key"]: Secret(updated=now()) for secret in call.body.get("secrets", [])}
        made = Repository(kind=kind, name=name, private=private, created=now(), sdk=call.body.get("sdk"))
        made.secrets = secrets
        url = f"{call.address}/{name if kind == 'models' else f'{kind}/{name}'}"
        self.repositories.create(made, commits.store_small_file(self.objects, commits.ATTRIBUTES_FILE), url)
        return {"url": url, "name": name, "id": name}

    def delete(self, call: Call) -> Json:
        """Nothing: the repository is gone."""
        kind, name = _named(call.body)
        call.check_namespace(name.partition("/")[0], f"delete {name}")
        repository = self.repositories.find(kind, name)
        if repository is None:
            raise no_repository(anonymous=False)
        self.repositories.delete(repository)
        return {}

    def info(self, call: Call) -> Json:
        """A repository at a revision."""
        return answers.repository_info(call.repository, call.commit)

    def auth_check(self, call: Call) -> Json:
        """Nothing, where the caller may read."""
        return {"name": call.repository.name}

    def auth_check_write(self, call: Call) -> Json:
        """Nothing, where the caller may write."""
        call.check_may_write()
        return {"name": call.repository.name}

    def settings(self, call: Call) -> Json:
        """Who may see the repository from now on."""
        with self._changed(call) as repository:
            repository.private = call.body["visibility"] == "private"
            return {"visibility": call.body["visibility"]}

    def add_secret(self, call: Call) -> Json:
        """Notes a Space's secret by name; its value is thrown away."""
        with self._changed(call) as repository:
            noted = Secret(description=str(call.body.get("description") or ""), updated=now())
            repository.secrets = {**repository.secrets, str(call.body["key"]): noted}
            return {}

    def secrets(self, call: Call) -> Json:
        """A Space's secrets by name, without their values."""
        call.check_may_write()
        return {
            name: {"key": name, "description": secret.description, "updatedAt": secret.updated}
            for name, secret in call.repository.secrets.items()
        }

    def refs(self, call: Call) -> Json:
        """Branches and tags."""
        return answers.refs(call.repository)

    def commits(self, call: Call) -> list[Json]:
        """The history."""
        return answers.commits(call.repository, call.path["revision"])

    def tree(self, call: Call) -> list[Json]:
        """Files and folders."""
        below = call.path.get("folder", "")
        entries = answers.tree(call.commit, below, recursive=call.options.get("recursive", "").lower() in {"true", "1"})
        if below and not entries:
            raise no_entry(below)
        return entries

    def paths_info(self, call: Call) -> list[Json]:
        """The named files; those that are not there are left out."""
        asked = parse_qs(call.content.decode())["paths"]
        files = call.commit.files
        return [answers.entry(path, files[path]) for path in asked if path in files]

    def preupload(self, call: Call) -> Json:
        """How each file is to be uploaded."""
        call.check_may_write()
        return {"files": commits.upload_modes(call.commit, call.body["files"])}

    def make_commit(self, call: Call) -> Json:
        """A commit on a branch."""
        with self._changed(call) as repository:
            branch = call.path["revision"]
            if branch not in repository.branches:
                raise no_revision(branch)
            made = commits.apply(repository, branch, call.content, self.objects)
            place = repository.name if repository.kind == "models" else f"{repository.kind}/{repository.name}"
        return {"success": True, "commitOid": made.id, "commitUrl": f"{call.address}/{place}/commit/{made.id}"}

    def create_branch(self, call: Call) -> Json:
        """A branch at a revision."""
        with self._changed(call) as repository:
            if call.path["branch"] in repository.branches:
                raise HubError(409, f"Reference already exists: refs/heads/{call.path['branch']}")
            repository.branches[call.path["branch"]] = repository.at(call.body.get("startingPoint", MAIN)).id
            return {}

    def delete_branch(self, call: Call) -> Json:
        """Nothing: the branch is gone."""
        with self._changed(call) as repository:
            if call.path["branch"] == MAIN:
                raise HubError(403, "The main branch cannot be deleted")
            if repository.branches.pop(call.path["branch"], None) is None:
                raise no_revision(call.path["branch"])
            return {}

    def create_tag(self, call: Call) -> Json:
        """A tag at a revision; it never moves."""
        with self._changed(call) as repository:
            tag = str(call.body["tag"])
            if tag in repository.tags:
                raise HubError(409, f"Tag reference exists already: refs/tags/{tag}")
            repository.tags[tag] = repository.at(call.path["revision"]).id
            return {}

    def delete_tag(self, call: Call) -> Json:
        """Nothing: the tag is gone."""
        with self._changed(call) as repository:
            if repository.tags.pop(call.path["tag"], None) is None:
                raise no_revision(call.path["tag"])
            return {}

    @contextmanager
    def _changed(self, call: Call) -> Iterator[Repository]:
        call.check_may_write()
        with self.repositories.changed(call.path["kind"], call.repository_name) as repository:
            yield repository


def _named(body: Json) -> tuple[Any, str]:
    """Kind and full name of the repository that a body names."""
    kind = f"{body.get('type') or 'model'}s"
    if kind not in KINDS:
        raise HubError(501, f"the box has no {kind}, only {', '.join(KINDS)}")
    return kind, f"{body.get('organization') or USER}/{body['name']}"

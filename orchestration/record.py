"""Which model version is what: ZenML's model versions as the record that every mirror follows.

A version is named by its content hash. ZenML's stages carry the aliases (`production` is the champion, `staging` the
candidate); ZenML has no stage for the previous champion, so a tag carries that one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from zenml.client import Client
from zenml.enums import ModelStages
from zenml.models import ModelVersionResponse
from zenml.utils.metadata_utils import log_metadata

from evergreen.core.approval import Question
from evergreen.core.errors import EvergreenError
from evergreen.core.versions import Alias, ModelVersion, RecordState, SetAlias
from orchestration.artifacts import is_stored

STAGES = {Alias.CHAMPION: ModelStages.PRODUCTION, Alias.CANDIDATE: ModelStages.STAGING}
RECORD_KEY = "evergreen"
QUESTION_KEY = "approval"
"""Apart from the rest of the record: who registers a version again leaves it alone."""
ROLLED_BACK = "rolled-back"
WITHDRAWING = "withdrawing"
"""On a champion while it changes places with the previous one: what a run that was cut off left to do."""
PAGE_SIZE = 100


class ZenmlRecord:
    """The versions of one model in the active ZenML store."""

    def __init__(self, model: str) -> None:
        self.model = model

    def read(self) -> RecordState:
        """All versions, oldest first, and their aliases; empty before the first promotion."""
        return _state(self._responses())

    def get(self, version: str) -> ModelVersion:
        """A registered version.

        Raises:
            EvergreenError: the record does not hold it.
        """
        registered = self.read().find(version)
        if registered is None:
            raise EvergreenError(f"model '{self.model}' has no version {version}; `zenml model version list` shows all")
        return registered

    def add(self, version: ModelVersion) -> None:
        """Registers a version and links its artifacts.

        Of one that is registered, the newest copy of the model counts, for its content is the same and an older one may
        be damaged; its report, which says why it was promoted, its engines, its reference, its coverage and its
        held-out rows are replaced when they are lost, and added when an earlier release kept none. Its recipe, and whom
        it was judged against, stay those of its registration: docs/decisions/0002-whom-a-model-is-judged-against.md.
        """
        client = Client()
        _existing_or_new(lambda: client.get_model(self.model), lambda: client.create_model(name=self.model))
        response = _existing_or_new(
            lambda: client.get_model_version(self.model, version.version),
            lambda: client.create_model_version(self.model, name=version.version),
        )
        recorded = response.run_metadata.get(RECORD_KEY)
        if recorded is None:
            self._link(response, *_kept(version))
            self._write(response.id, version)
            return
        known = ModelVersion.model_validate_json(str(recorded))
        newest = {
            name: getattr(version, name)
            for name in ("report", "coverage", "held_out", "engines", "reference")
            if getattr(version, name) and not ((kept := getattr(known, name)) and is_stored(kept))
        }
        updated = known.model_copy(update={"artifact": version.artifact, **newest})
        if updated != known:
            self._link(response, *_kept(updated) - _kept(known))
            self._write(response.id, updated)

    def note_mirror(self, version: str, mirror: str, number: str) -> None:
        """Records the number that a mirror gave to a version."""
        response = Client().get_model_version(self.model, version)
        current = ModelVersion.model_validate_json(str(response.run_metadata[RECORD_KEY]))
        if current.mirrors.get(mirror) != number:
            updated = current.model_copy(update={"mirrors": {**current.mirrors, mirror: number}})
            self._write(response.id, updated)

    def note_question(self, version: str, question: Question) -> None:
        """Records what a person is asked about a version, or answered; it replaces what was recorded before."""
        response = Client().get_model_version(self.model, version)
        log_metadata(metadata={QUESTION_KEY: question.model_dump_json()}, model_version_id=response.id)

    def _set_alias(self, alias: Alias, version: str | None) -> None:
        """Moves an alias to a registered version; None removes it."""
        if alias is Alias.PREVIOUS:
            self._set_previous(version)
            return
        if version is not None:
            Client().update_model_version(self.model, version, stage=STAGES[alias], force=True)
        elif (holder := self.read().aliases.get(alias)) is not None:
            Client().update_model_version(self.model, holder, stage=ModelStages.ARCHIVED, force=True)

    def exchange(self, withdrawn: str, target: str) -> None:
        """The target champion; `settle` then makes the champion previous and marks it as withdrawn by hand.

        A crash may cut it anywhere: one write moves the champion, and the tag that was set before it tells `settle`
        the rest.
        """
        Client().update_model_version(self.model, withdrawn, add_tags=[WITHDRAWING])
        self._set_alias(Alias.CHAMPION, target)

    def settle(self) -> tuple[RecordState, bool]:
        """The record without a half exchange, and whether one was cut off after its champion had moved, and is complete
        now.

        One that was cut off before that is forgotten: nothing had changed.
        """
        responses = self._responses()
        state, withdrawing = _state(responses), _tagged(responses, WITHDRAWING)
        if not withdrawing:
            return state, False
        champion = state.aliases.get(Alias.CHAMPION)
        withdrawn = [version for version in withdrawing if version != champion]
        for version in withdrawn:
            self.mark_rolled_back(version, True)
            self._set_previous(version)
            if champion is not None:
                self.mark_rolled_back(champion, False)
        for version in withdrawing:
            Client().update_model_version(self.model, version, remove_tags=[WITHDRAWING])
        return self.read(), bool(withdrawn)

    def mark_rolled_back(self, version: str, rolled_back: bool) -> None:
        """Notes that a version was withdrawn by hand, so that no run promotes it again by itself."""
        tags = [ROLLED_BACK]
        if rolled_back:
            Client().update_model_version(self.model, version, add_tags=tags)
        else:
            Client().update_model_version(self.model, version, remove_tags=tags)

    def move(self, moves: Iterable[SetAlias]) -> None:
        """Moves aliases one after the other, in the order given: a crash may cut it anywhere."""
        for move in moves:
            self._set_alias(move.alias, move.version)

    def _set_previous(self, version: str | None) -> None:
        """The new one is tagged first, so that a crash in between loses none."""
        tagged = _tagged(self._responses(), Alias.PREVIOUS)
        if version is not None and version not in tagged:
            Client().update_model_version(self.model, version, add_tags=[Alias.PREVIOUS])
        for other in tagged:
            if other != version:
                Client().update_model_version(self.model, other, remove_tags=[Alias.PREVIOUS])

    def _responses(self) -> list[ModelVersionResponse]:
        client = Client()
        try:
            model = client.get_model(self.model)
        except KeyError:
            return []
        responses: list[ModelVersionResponse] = []
        page = 1
        while True:
            listed = client.list_model_versions(
                model=model.id, sort_by="asc:number", page=page, size=PAGE_SIZE, hydrate=True
            )
            responses.extend(listed.items)
            if page >= listed.total_pages:
                return responses
            page += 1

    def _link(self, response: ModelVersionResponse, *artifacts: str) -> None:
        from zenml.model.utils import link_artifact_version_to_model_version

        for artifact in artifacts:
            link_artifact_version_to_model_version(Client().get_artifact_version(UUID(artifact)), response)

    def _write(self, response_id: UUID, version: ModelVersion) -> None:
        log_metadata(metadata={RECORD_KEY: version.model_dump_json()}, model_version_id=response_id)


def _kept(version: ModelVersion) -> set[str]:
    """The artifacts that belong to a version."""
    beside = (version.coverage, version.held_out, version.engines, version.reference)
    return {version.artifact, version.report, *filter(None, beside)}


def _state(responses: Iterable[ModelVersionResponse]) -> RecordState:
    versions: list[ModelVersion] = []
    aliases: dict[Alias, str] = {}
    rolled_back: list[str] = []
    questions: dict[str, Question] = {}
    for response in responses:
        record = response.run_metadata.get(RECORD_KEY)
        if not isinstance(record, str):
            continue
        version = ModelVersion.model_validate_json(record)
        versions.append(version)
        aliases.update(dict.fromkeys(_aliases(response), version.version))
        if ROLLED_BACK in _tags(response):
            rolled_back.append(version.version)
        question = response.run_metadata.get(QUESTION_KEY)
        if isinstance(question, str):
            questions[version.version] = Question.model_validate_json(question)
    return RecordState(versions=tuple(versions), aliases=aliases, rolled_back=tuple(rolled_back), questions=questions)


def _tagged(responses: Iterable[ModelVersionResponse], tag: str) -> list[str]:
    return [str(response.name) for response in responses if tag in _tags(response)]


def _aliases(response: ModelVersionResponse) -> list[Alias]:
    aliases = [alias for alias, stage in STAGES.items() if response.stage == stage]
    if Alias.PREVIOUS in _tags(response):
        aliases.append(Alias.PREVIOUS)
    return aliases


def _tags(response: ModelVersionResponse) -> set[str]:
    return {tag.name for tag in response.tags}


def _existing_or_new(get: Callable[[], Any], create: Callable[[], Any]) -> Any:
    try:
        return get()
    except KeyError:
        return create()

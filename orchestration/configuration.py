"""A ZenML run configuration, every key checked before any step: ZenML lets most typos pass in silence.

configuration = load("local.yaml", training)
configuration.check_stack(active="local", registered=["default", "local"])
training.with_options(**configuration.options())()
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

from pydantic import Field

from evergreen.core.base import Frozen
from evergreen.core.cloud import Machine
from evergreen.core.errors import InputError
from evergreen.tasks.accelerators import GIVEN
from orchestration.costs import Budget
from orchestration.document import Document, read
from orchestration.gate import check_gate
from orchestration.machine_lists import MachineLists, check_machines, with_machines
from orchestration.mistakes import Mistake, YamlPath, beside, hint, shown, unknown
from orchestration.run_settings import without_waiting
from orchestration.schema import check, tagged, tags
from orchestration.secrets import refuse_secrets
from orchestration.settings import check_settings, declared_flavors
from orchestration.together import check_together

if TYPE_CHECKING:
    from zenml.pipelines.pipeline_definition import Pipeline

CONFIGS_DIRECTORY = Path(__file__).parents[1] / "configs"
HOOK_SUFFIX = "_hook_source"
PipelineName = Literal["training", "batch_prediction", "monitoring"]


class Extra(Frozen):
    """What `extra` may hold: the `pipeline` that this configures, the `stacks` that it is meant for, the `budget` of a
    run and its endpoint, and the `machines` that steps are tried on one after another.
    """

    pipeline: PipelineName = "training"
    stacks: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    budget: Budget = Budget()
    machines: MachineLists = {}


@dataclass(frozen=True)
class Configuration:
    """A checked run configuration. `parameters` holds the pipeline's arguments as typed values, by attribute."""

    path: Path
    stacks: tuple[str, ...]
    parameters: Any
    document: dict[str, Any]
    budget: Budget = field(default_factory=Budget)
    machines: MachineLists = field(default_factory=dict)

    def check_stack(self, active: str, registered: Collection[str]) -> None:
        """Returns when the active stack is one that this configuration is meant for.

        Raises:
            InputError: another stack is active; the message holds the line that sets the right one.
        """
        if active in self.stacks:
            return
        known = [name for name in self.stacks if name in registered]
        line = f"zenml stack set {known[0]}" if known else f"python -m stacks.apply {self.stacks[0]}"
        meant = " or ".join(repr(name) for name in self.stacks)
        raise InputError(
            f"{shown(self.path)} is meant for stack {meant}, but stack {active!r} is active; run\n  {line}"
        )

    @property
    def tried(self) -> dict[str, tuple[Machine, ...]]:
        """The machines of each step that has a list, in the order in which they are tried."""
        return {step: tuple(option.machine for option in machines) for step, machines in self.machines.items()}

    def on_machines(self, chosen: Mapping[str, int]) -> Configuration:
        """The same, each of these steps on another machine of its list, by number from 0."""
        return replace(self, document=with_machines(self.document, self.machines, chosen))

    def without_waiting(self) -> Configuration:
        """The same, for a run that `run` watches itself: ZenML only submits it."""
        return replace(self, document=without_waiting(self.document))

    def options(
        self,
        *,
        use_cache: bool = True,
        fresh: Collection[str] = (),
        accelerators: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Arguments of `Pipeline.with_options`; the filled-in file exists in memory only.

        The steps in `fresh` are not answered from cache, whatever the others are. `accelerators` are what steps ask
        for, by step; each is told its own.
        """
        from zenml.config.pipeline_run_configuration import PipelineRunConfiguration

        document = _without_cache(self.document, fresh) if use_cache else _without_any_cache(self.document)
        document = _with_accelerators(document, accelerators or {})
        run = PipelineRunConfiguration.model_validate(document)
        options = {key: getattr(run, key) for key in document if key != "extra"}
        hooks = {key: f"on_{key.removesuffix(HOOK_SUFFIX)}" for key in options if key.endswith(HOOK_SUFFIX)}
        renamed = {**hooks, "init_hook_kwargs": "on_init_kwargs"}
        return {renamed.get(key, key): value for key, value in options.items()} | {"extra": document["extra"]}


def find(name: str | Path) -> Path:
    """The file of a configuration: a path, or a name in configs/.

    Raises:
        InputError: there is none; the message lists those that exist.
    """
    for path in (Path(name), CONFIGS_DIRECTORY / name):
        if path.is_file():
            return path
    names = sorted(path.name for path in CONFIGS_DIRECTORY.glob("*.yaml"))
    listed = ", ".join(names) or "none"
    raise InputError(f"no configuration {str(name)!r}{hint(Path(name).name, names)} (configs/ has: {listed})")


def pipeline_of(name: str | Path) -> PipelineName:
    """The pipeline that a configuration is of: what its `extra.pipeline` says, whatever else is wrong in it.

    Raises:
        InputError: there is no such file, or it is no YAML.
    """
    extra = read(find(name)).values.get("extra")
    named = extra.get("pipeline") if isinstance(extra, Mapping) else None
    known: tuple[PipelineName, ...] = get_args(PipelineName)
    return next((pipeline for pipeline in known if pipeline == named), "training")  # `load` tells of other names


def load(
    name: str | Path, pipeline: Pipeline, model_name: str | None = None, backfill: Mapping[str, str] | None = None
) -> Configuration:
    """The configuration of this name or path for the pipeline, with every `${NAME}` filled from the environment.

    `model_name` and `backfill` take the place of the file's; the latter is what `--window` gives.

    Raises:
        InputError: no such file, or a ConfigurationError with every mistake in it; secrets are told alone, and so is
            what is wrong with the backfill that was given.
    """
    document = read(find(name))
    if model_name:
        document = document.with_parameter("model_name", model_name)
    if backfill:
        document = document.with_parameter("backfill", dict(backfill))
    refuse_secrets(document)
    parameters, mistakes = _check_parameters(document, pipeline)
    mistakes += _check_gate(document, pipeline, mistakes)
    mistakes += check_together(document, parameters, tuple(mistakes))
    if backfill:
        _require_window(backfill, mistakes)
    mistakes += [*_check_run_configuration(document), *_check_steps(document, pipeline)]
    extra, wrong = _check_extra(document)
    mistakes += [*wrong, *_check_all_settings(document, extra.stacks if extra else ())]
    if extra and not mistakes:  # it reads settings, whose form must be right
        mistakes += check_machines(document.values, extra.machines, list(steps_of(pipeline)))
    if mistakes or document.mistakes or extra is None:
        raise document.error(mistakes)
    return Configuration(
        document.path,
        extra.stacks,
        SimpleNamespace(**parameters),
        with_machines(document.values, extra.machines),
        extra.budget,
        extra.machines,
    )


def _check_parameters(document: Document, pipeline: Pipeline) -> tuple[dict[str, Any], list[Mistake]]:
    """The pipeline's arguments by name, defaults included, and what is wrong with them."""
    function = pipeline.entrypoint
    hints = get_type_hints(function, include_extras=True)
    arguments = inspect.signature(function).parameters
    given = document.values.get("parameters") or {}
    if not isinstance(given, Mapping):
        return {}, []  # told by the check of the run configuration
    mistakes = [unknown(("parameters", key), "key", arguments) for key in given if key not in arguments]
    values: dict[str, Any] = {}
    for name, argument in arguments.items():
        path: YamlPath = ("parameters", name)
        if name in given:
            values[name], wrong = check(hints[name], document, path)
            mistakes += [beside(mistake, arguments) for mistake in wrong]
        elif argument.default is inspect.Parameter.empty:
            kinds = tags(hints[name])
            wanted = f"missing; a mapping with kind: {', '.join(kinds)}" if kinds else "missing"
            mistakes.append(Mistake(path, wanted))
        else:
            values[name] = argument.default
    return values, mistakes


def _check_gate(document: Document, pipeline: Pipeline, mistakes: list[Mistake]) -> Iterator[Mistake]:
    """What the gate names, against the kind of task that is configured, whatever else is wrong with either."""
    given = document.values.get("parameters")
    task = given.get("task") if isinstance(given, Mapping) else None
    kind = task.get("kind") if isinstance(task, Mapping) else None
    annotation = get_type_hints(pipeline.entrypoint, include_extras=True).get("task")
    member = tagged(annotation, kind) if annotation is not None else None
    if member is not None:
        known = {mistake.path for mistake in mistakes}
        in_gate = check_gate(document, member.metrics, member.class_metrics)
        yield from (mistake for mistake in in_gate if mistake.path not in known)


def _require_window(backfill: Mapping[str, str], mistakes: Iterable[Mistake]) -> None:
    """Raises InputError: what `--window` gave is wrong, which is on no line of the file."""
    for mistake in mistakes:
        if mistake.path[:2] == ("parameters", "backfill"):
            raise InputError(f"--window {backfill['start']}..{backfill['end']}: {mistake.message}")


def _check_run_configuration(document: Document) -> Iterator[Mistake]:
    """Keys and values outside `parameters` and `settings`, against ZenML's own model."""
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration

    _, mistakes = check(PipelineRunConfiguration, document, (), strict=True)
    for mistake in mistakes:
        if "model" not in mistake.path:
            yield replace(mistake, allowed=tuple(word for word in mistake.allowed if word != "model"))
    for path in [("model",), *(("steps", name, "model") for name in _steps(document))]:
        if _has(document, path):
            yield Mistake(path, "not used here, it would create a version on every run; set parameters.model_name")


def _check_extra(document: Document) -> tuple[Extra | None, list[Mistake]]:
    if "extra" not in document.values:
        return None, [
            Mistake(("extra",), "missing; name the stacks that this is meant for, e.g. extra: {stacks: [local]}")
        ]
    extra, mistakes = check(Extra, document, ("extra",))
    return extra, mistakes


def _check_steps(document: Document, pipeline: Pipeline) -> Iterator[Mistake]:
    """Names of steps, of their parameters and of their outputs, against the pipeline's own steps."""
    known = steps_of(pipeline)
    for name, options in _steps(document).items():
        if name not in known:
            yield unknown(("steps", name), "step", known)
        elif isinstance(options, Mapping):
            allowed = {
                "parameters": list(inspect.signature(known[name].entrypoint).parameters),
                "outputs": list(known[name].entrypoint_definition.outputs),
            }
            for field, words in allowed.items():
                for key in options.get(field) or ():
                    if key not in words:
                        yield unknown(("steps", name, field, key), "key", words)


def steps_of(pipeline: Pipeline) -> dict[str, Any]:
    """The steps that the pipeline function names in its body, by step name; nothing is run."""
    from zenml.steps import BaseStep

    function = inspect.unwrap(pipeline.entrypoint)
    scope = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    named = (scope.get(name) for name in (*function.__code__.co_names, *function.__code__.co_freevars))
    return {step.name: step for step in named if isinstance(step, BaseStep)}


def _check_all_settings(document: Document, stacks: tuple[str, ...]) -> Iterator[Mistake]:
    flavors = declared_flavors(stacks)
    for path in [("settings",), *(("steps", name, "settings") for name in _steps(document))]:
        if _has(document, path):
            yield from check_settings(document, path, flavors)


def _steps(document: Document) -> dict[str, Any]:
    steps = document.values.get("steps")
    return steps if isinstance(steps, dict) else {}


def _has(document: Document, path: YamlPath) -> bool:
    node: Any = document.values
    for part in path:
        if not isinstance(node, Mapping) or part not in node:
            return False
        node = node[part]
    return True


def _with_accelerators(document: dict[str, Any], accelerators: Mapping[str, str]) -> dict[str, Any]:
    """The document with a variable for each step that asks for accelerators, unless it sets that variable itself."""
    steps = {name: options or {} for name, options in (document.get("steps") or {}).items()}
    for name, asked in accelerators.items():
        own = steps.get(name, {})
        environment = {GIVEN: asked, **(document.get("environment") or {}), **(own.get("environment") or {})}
        steps[name] = {**own, "environment": environment}
    return {**document, "steps": steps} if steps else document


def _without_any_cache(document: dict[str, Any]) -> dict[str, Any]:
    return {**_without_cache(document, document.get("steps") or {}), "enable_cache": False}


def _without_cache(document: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    steps = document.get("steps") or {}
    fresh = {name: {**(steps.get(name) or {}), "enable_cache": False} for name in names}
    return {**document, "steps": {**steps, **fresh}} if fresh else document

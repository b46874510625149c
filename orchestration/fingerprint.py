"""Hashes that decide what is rerun: one of the code of each cached step, and the recipe of a model.

A step's code is what its module leads to, and what the member in use leads to: an edited loss of pictures trains no
model of texts. `identify` computes them, and they are inputs of their steps.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from evergreen.adapters.kinds import SOURCES
from evergreen.core.errors import InputError
from evergreen.core.kinds import Kinds, Settings
from evergreen.core.members import SourceSettings, TaskSettings
from evergreen.runtime.fingerprints import Code
from evergreen.tasks.kinds import TASKS

ENDS = (
    # what decides no row, no weight and no metric
    "evergreen.core.protocols",
    "evergreen.core.errors",
    "evergreen.core.base",
    # which members there are, and how one is found: the one in use is a root
    "evergreen.core.kinds",
    "evergreen.core.members",
    "evergreen.adapters.kinds",
    "evergreen.tasks",
    "evergreen.tasks.kinds",
    # whether a training may start, why it does, and when it is ended
    "evergreen.core.when",
    "evergreen.runtime.locks",
    "orchestration.time_limit",
    # how results are kept, what may be left out, and what people and trackers are told of them
    "evergreen.runtime.asides",
    "orchestration.materializers",
    "orchestration.progress",
    "orchestration.tracking",
    "evergreen.pages.*",
    "evergreen.adapters.mlflow.*",
)
BESIDE_TRAINING = (
    # graphs of a model that is trained by then
    "evergreen.core.engines",
    "evergreen.engines.*",
    "evergreen.tasks.engines",
)
"""What `train` does beside the model: an edit of it trains nothing, and shows with the next model."""
VERBS: dict[str, tuple[str, ...]] = {
    "fetch": ("source",),
    "validate": ("examinable",),
    "split": (),
    "train": ("trainable",),
    "evaluate": ("measurable", "servable"),
}
"""The cached steps, and what each asks of the source or of the task."""
TRAINING = ("fetch", "validate", "split", "train")
"""The steps whose code decides a trained model."""


def code_fingerprints(source: SourceSettings, task: TaskSettings, path: list[str] | None = None) -> dict[str, str]:
    """The fingerprint of each cached step's code, by the step's name; sources lie below `path`, if one is given.

    For modules of a package that has no sources, as one that is compiled, stands its version.

    Raises:
        InputError: there are no sources of a kind, and no package offers it.
    """
    code, training = Code(ENDS, path), Code((*ENDS, *BESIDE_TRAINING), path)
    settings: dict[str, Settings] = {step: source if step == "fetch" else task for step in VERBS}
    return {step: _fingerprint(training if step == "train" else code, step, one) for step, one in settings.items()}


def preparation_code(origin: SourceSettings, task: TaskSettings, path: list[str] | None = None) -> str:
    """The fingerprint of the code that makes rows of the origin ready for the task. Raises as `code_fingerprints`."""
    code = Code(ENDS, path)
    reading = _of_roots(code, _behaviours(origin, ("source",)), origin, _offered(SOURCES, origin))
    roots = ["evergreen.preparation.part", *_behaviours(task, ("examinable",))]
    return f"{reading}{_of_roots(code, roots, task, _offered(TASKS, task))}"


def _fingerprint(code: Code, step: str, settings: Settings) -> str:
    return _of_roots(code, roots_of(step, settings), settings, _packages(step, settings))


def _of_roots(code: Code, roots: list[str], settings: Settings, packages: list[str]) -> str:
    missing = [root for root in roots if not code.has_source(root)]
    if missing and not packages:
        raise InputError(
            f"kind {settings.kind!r} has no source of {', '.join(missing)}, and no installed package offers it: what "
            "an edit of it changes could not be told; install its sources, or offer it by an entry point"
        )
    return code.fingerprint(*(root for root in roots if root not in missing), packages=packages)


def roots_of(step: str, settings: Settings) -> list[str]:
    """The modules at which a step's code begins: its own, and those of the verbs that it asks of the member in use."""
    return [f"steps.{step}", *_behaviours(settings, VERBS[step])]


def _behaviours(settings: Settings, verbs: Sequence[str]) -> list[str]:
    """The modules of the settings and of these verbs."""
    own = type(settings)
    return [name for verb in verbs for name in (own.__module__, str(getattr(own, verb)).partition(":")[0])]


def recipe_fingerprint(codes: Mapping[str, str], **ingredients: object) -> str:
    """SHA-256 (hex) of all that decides a trained model: the steps' code, and ingredients that JSON can hold."""
    recipe = {"code": {step: codes[step] for step in TRAINING}, **ingredients}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def _packages(step: str, settings: Settings) -> list[str]:
    """The installed package that offers the member, where a step asks it something and it is not one of ours."""
    kinds = SOURCES if step == "fetch" else TASKS
    return _offered(kinds, settings) if VERBS[step] else []


def _offered(kinds: Kinds, settings: Settings) -> list[str]:
    package = kinds.package(settings.kind)
    return [package] if package else []

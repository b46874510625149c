"""Open unions: settings by their `kind`, shipped here or offered by an installed package, and their behaviour by verb.

A member of a union is a settings class alone. It names its behaviour by import strings, so that whoever reads a
configuration imports no more than its fields:

    class Letters(SourceSettings):
        source: ClassVar[str] = "letters.source:LettersSource"     # LettersSource(settings).read(…)
        kind: Literal["letters"] = "letters"

    behaviour(source, "source")     # LettersSource(source)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, Union

from pydantic import Field

from evergreen.core.base import Frozen
from evergreen.core.errors import InputError


class Settings(Frozen):
    """The fields of one member of an open union; class variables named as verbs say where its behaviour is."""

    kind: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that hold its secrets, by the field that names each: one that ends in `_env`."""
        return dict(_variables(self, ""))


def _variables(fields: Frozen, above: str) -> Iterator[tuple[str, str]]:
    for name, value in fields:
        if isinstance(value, Frozen):
            yield from _variables(value, f"{above}{name}.")
        elif name.endswith("_env") and value:
            yield f"{above}{name}", str(value)


def behaviour(settings: Settings, verb: str) -> Any:
    """What the settings' class names for the verb, made of the settings; its module is imported now.

    Raises:
        InputError: the class names none, or one that cannot be loaded.
    """
    owner = f"{type(settings).__module__}:{type(settings).__qualname__}"
    place = getattr(type(settings), verb, None)
    if not isinstance(place, str):
        raise InputError(
            f"kind {settings.kind!r} ({owner}) names no behaviour {verb!r}; give the class "
            f'{verb}: ClassVar[str] = "module:Class"'
        )
    try:
        behaves = imported(place)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"kind {settings.kind!r} ({owner}) names {place!r} for {verb!r}, which cannot be loaded: "
            f"{type(error).__name__}: {error}; correct the name, or install what it imports"
        ) from error
    return behaves(settings)


def imported(place: str) -> Any:
    """What `module:name` names."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


class Kinds:
    """The members of one open union: those `shipped`, by kind as `module:class`, and installed packages' entry points.

    A package offers a member by an entry point of the group, named as its kind, e.g. in its pyproject.toml:

        [project.entry-points."evergreen.tasks"]
        text_regression = "text_regression.settings:TextRegression"
    """

    def __init__(self, group: str, shipped: Mapping[str, str]) -> None:
        self.group = group
        self._shipped = shipped

    @cached_property
    def union(self) -> Any:
        """All members that can be loaded, as the annotation that pydantic tells apart by `kind`; found once.

        It carries these kinds, so that who tells a person of a wrong `kind` can ask for its `problem`.
        """
        members = tuple(self._members())
        discriminator = (Field(discriminator="kind"),) if len(members) > 1 else ()
        return Annotated[(Union[members], *discriminator, self)]  # noqa: UP007

    def member(self, kind: str) -> type[Settings]:
        """The settings class of this kind; no other is imported.

        Raises:
            InputError: there is none, its package cannot be loaded, or two packages offer it.
        """
        problem = self.problem(kind)
        if problem is not None:
            raise InputError(problem)
        if kind in self._shipped:
            return self._checked(kind, imported(self._shipped[kind]))
        if kind in self._offered:
            return self._checked(kind, self._offered[kind][0].load())
        allowed = ", ".join(sorted({*self._shipped, *self._offered}))
        raise InputError(
            f"kind {kind!r} is unknown (allowed: {allowed}); install the package that offers it in the group "
            f"{self.group!r}"
        )

    def problem(self, kind: str) -> str | None:
        """Why a kind that an installed package offers cannot be had, and what to do; None: it can, or nobody does."""
        offers = self._offered.get(kind, ())
        packages = [*(["evergreen"] if kind in self._shipped else []), *(_package(offer) for offer in offers)]
        if offers and len(packages) > 1:
            return f"kind {kind!r} is offered by {' and '.join(packages)}; uninstall all but one of them"
        try:
            for offer in offers:
                self._checked(kind, offer.load())
        except Exception as error:  # whatever the code of a package raises as it is imported
            return (
                f"kind {kind!r} of {packages[0]} cannot be loaded from {offers[0].value!r}, its entry point in the "
                f"group {self.group!r}: {type(error).__name__}: {error}; correct that entry point, install what its "
                "module imports, or uninstall the package"
            )
        return None

    def package(self, kind: str) -> str | None:
        """`NAME==VERSION` of the installed package that offers the kind; None: it is shipped, or nobody offers it."""
        offers = self._offered.get(kind, ())
        return _package(offers[0]) if offers else None

    @cached_property
    def _offered(self) -> dict[str, tuple[EntryPoint, ...]]:
        offered: dict[str, tuple[EntryPoint, ...]] = {}
        for point in entry_points(group=self.group):
            if point not in offered.get(point.name, ()):  # a package may be on the path twice
                offered[point.name] = (*offered.get(point.name, ()), point)
        return offered

    def _members(self) -> Iterator[type[Settings]]:
        for kind in {**self._shipped, **self._offered}:
            if self.problem(kind) is None:
                yield self.member(kind)

    def _checked(self, kind: str, member: object) -> type[Settings]:
        if not (isinstance(member, type) and issubclass(member, Settings)):
            raise InputError(f"{member!r} is no settings class of evergreen.core.kinds")
        default = member.model_fields["kind"].default
        if default != kind:
            raise InputError(f"{member.__qualname__} has kind {default!r}, its entry point is named {kind!r}")
        return member


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name}=={point.dist.version}" if point.dist else point.value

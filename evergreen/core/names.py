"""Names as people read them: one that is written in two ways is one, and two that only look like one are told apart.

`é` is one character (U+00E9) where Windows and Linux write it and two (U+0065 U+0301) in file names of a Mac.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence

_LISTED = 40


def nfc(name: str) -> str:
    """The name composed (Unicode's NFC), as names are compared."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def listed(names: Iterable[str]) -> str:
    """The names in quotes, so that spaces show; those that look like another of them with their code points."""
    given = list(names)
    alike: dict[str, set[str]] = {}
    for name in given:
        alike.setdefault(_appearance(name), set()).add(name)
    shown = [quoted(name) + (f" ({code_points(name)})" if len(alike[_appearance(name)]) > 1 else "") for name in given]
    more = len(shown) - _LISTED
    return ", ".join(shown[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def quoted(name: str) -> str:
    """The name in quotes, so that spaces show, and what cannot be seen in it escaped."""
    written = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in name)
    return f"'{written}'"


def code_points(name: str) -> str:
    """Those of its characters that are not plain ASCII, such as `U+0301`, or `ASCII` where all are."""
    return " ".join(f"U+{ord(one):04X}" for one in name if not one.isascii()) or "ASCII"


def nearest(name: str, names: Sequence[str]) -> str:
    """` (did you mean 'Sports'?)`, or nothing where none is near; with code points where both look the same."""
    by_folded = {_folded(one): one for one in reversed(names)}
    close = difflib.get_close_matches(_folded(name), by_folded, n=1)
    if not close:
        return ""
    near = by_folded[close[0]]
    points = (
        f", with {code_points(near)} instead of {code_points(name)}" if _appearance(near) == _appearance(name) else ""
    )
    return f" (did you mean {quoted(near)}{points}?)"


def _folded(name: str) -> str:
    return _appearance(name).strip().casefold()


def _appearance(name: str) -> str:
    """What is left of a name to the eye: compatible forms as one, Cyrillic and Greek letters as their Latin twins."""
    plain = unicodedata.normalize("NFKC", name).translate(_TWINS)
    return "".join(one for one in plain if unicodedata.category(one) != "Cf")


_TWINS = str.maketrans("АВЕКМНОРСТХаеорсухіјΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEKMHOPCTXaeopcyxijABEZHIKMNOPTYXo")

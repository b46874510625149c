"""The colour of each class wherever masks are drawn: Okabe and Ito's, which the colour-blind tell apart too."""

from __future__ import annotations

COLOURS = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (213, 94, 0),
    (86, 180, 233),
    (240, 228, 66),
    (120, 120, 120),
)
DARKER = 0.7


def rgb_of(number: int) -> tuple[int, int, int]:
    """Red, green and blue of a class number, 0 to 255; after the eight colours they come again, ever darker."""
    rounds, place = divmod(number, len(COLOURS))
    red, green, blue = (round(value * DARKER**rounds) for value in COLOURS[place])
    return red, green, blue


def colour_of(number: int) -> str:
    """The same as CSS: `#0072b2`."""
    return "#{:02x}{:02x}{:02x}".format(*rgb_of(number))

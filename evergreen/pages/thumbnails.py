"""Small pictures for pages, within the page itself. Loads Pillow when one is made."""

from __future__ import annotations

import base64

import numpy as np

from evergreen.core.colours import rgb_of
from evergreen.data.pictures import PictureError, Pixels, decode_mask, decode_picture, encode_png

LONGER_SIDE_PX = 192
GAP_PX = 4
OPACITY = 0.55


def thumbnail(image: bytes, mask: bytes | None) -> str | None:
    """A PNG in base64: the picture, and beside it the picture under the colours of its mask where there is one.

    None where the picture cannot be decoded.
    """
    try:
        small = _resized(decode_picture(image), nearest=False)
    except PictureError:
        return None
    shown = [small]
    try:
        classes = _resized(decode_mask(mask or b""), nearest=True)
    except PictureError:
        classes = None
    if classes is not None and classes.shape == small.shape[:2]:
        colours = np.array([rgb_of(index) for index in range(256)])
        over = small * (1 - OPACITY) + colours[classes] * OPACITY
        shown += [np.full((len(small), GAP_PX, 3), 255, dtype=np.uint8), over.astype(np.uint8)]
    return base64.b64encode(encode_png(np.concatenate(shown, axis=1))).decode("ascii")


def _resized(pixels: Pixels, *, nearest: bool) -> Pixels:
    """At most LONGER_SIDE_PX high and wide; class indices must not be mixed: `nearest`."""
    from PIL import Image

    height, width = pixels.shape[:2]
    scale = min(1.0, LONGER_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    way = Image.Resampling.NEAREST if nearest else Image.Resampling.BOX
    return np.asarray(Image.fromarray(pixels).resize(size, way))

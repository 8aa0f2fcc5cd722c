"""Pictures with what was found in them."""

import colorsys
from collections.abc import Sequence

from PIL import Image, ImageDraw

from lissome.core.errors import SettingError
from lissome.detection.detections import Detections

GOLDEN = 0.618034
"""Steps of the golden ratio around the circle of hues keep neighbouring classes apart, however many there are."""


def colour_of(kind: int) -> tuple[int, int, int]:
    """Return the colour of a class, always the same.

    Example:
        >>> colour_of(0)
        (230, 46, 46)
    """
    red, green, blue = colorsys.hsv_to_rgb(kind * GOLDEN % 1, 0.8, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_boxes(
    image: Image.Image, found: Detections, class_names: Sequence[str] = (), *, least: float = 0.3
) -> Image.Image:
    """Return a copy of a picture with a frame around each object, its class and its score.

    Args:
        image: RGB or grey.
        found: In pixels of this picture; see `Detections.scaled`.
        class_names: Names by number; without one the number is written.
        least: Less sure boxes are left out, [0, 1].

    Raises:
        SettingError: least is out of its range.

    Example:
        >>> import torch
        >>> one = Detections(torch.tensor([[2.0, 20, 28, 30]]), torch.tensor([0.9]), torch.tensor([0]))
        >>> draw_boxes(Image.new("RGB", (32, 32)), one, ["cat"]).getpixel((2, 25))
        (230, 46, 46)
    """
    if not 0 <= least <= 1:
        raise SettingError(f"least is {least}", where="draw_boxes", fix="choose a value in [0, 1]")
    picture = image.convert("RGB")
    pen = ImageDraw.Draw(picture)
    line = max(1, round(min(picture.size) / 160))
    sure = found.above(least)
    # The surest are drawn last, on top.
    rows = list(zip(sure.boxes.tolist(), sure.scores.tolist(), sure.classes.tolist(), strict=True))
    for (x1, y1, x2, y2), score, kind in reversed(rows):
        colour = colour_of(kind)
        pen.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=colour, width=line)
        name = class_names[kind] if kind < len(class_names) else str(kind)
        words = f"{name} {score:.0%}"
        left, top, right, bottom = pen.textbbox((0, 0), words)
        height = bottom - top + 2
        corner = (max(0.0, x1), y1 - height if y1 >= height else y1)
        pen.rectangle((*corner, corner[0] + right - left + 3, corner[1] + height), fill=colour)
        pen.text((corner[0] + 2 - left, corner[1] + 1 - top), words, fill="white")
    return picture


def side_by_side(pictures: Sequence[Image.Image], *, gap: int = 8) -> Image.Image:
    """Return pictures in one row on white, as high as the highest: before and after.

    Args:
        pictures: At least one.
        gap: Pixels between them, ≥ 0.

    Raises:
        SettingError: There is no picture.

    Example:
        >>> side_by_side([Image.new("RGB", (10, 5)), Image.new("RGB", (20, 8))], gap=2).size
        (32, 8)
    """
    if not pictures:
        raise SettingError("there is no picture", where="side_by_side", fix="give at least one")
    width = sum(one.width for one in pictures) + gap * (len(pictures) - 1)
    row = Image.new("RGB", (width, max(one.height for one in pictures)), "white")
    left = 0
    for one in pictures:
        row.paste(one, (left, 0))
        left += one.width + gap
    return row

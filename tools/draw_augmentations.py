"""Draw docs/pictures/augmentations_*.png: what each augmentation does to images of the embedded sample.

    python tools/draw_augmentations.py

One sheet a family: a row an augmentation, first its name, then images after it. All chances are 1, so that there is
something to be seen; the seed is fixed, so that the same files come out.
"""

from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from lissome import augmentations as change
from lissome.core.files import replacing
from lissome.data.augmentation import Augmentation
from lissome.data.augmentations.prepared import prepared
from lissome.data.augmentations.sometimes import Sometimes
from lissome.data.embedded_sample import sample

PICTURES = Path(__file__).parent.parent / "docs/pictures"
FAMILIES: dict[str, tuple[Augmentation | None, ...]] = {
    "colour": (
        None,
        change.Brightness(),
        change.Contrast(),
        change.Saturation(strength=1.0),
        change.Hue(strength=0.6),
        change.Noise(),
    ),
    "geometry": (
        None,
        change.CropFlip(),
        change.Flip(),
        change.Scale(strength=0.5),
        change.Crop(least_area=0.3),
        change.Rotate(degrees=30),
    ),
    "erasing": (None, change.RandomErasing(), change.Cutout(), change.HideAndSeek(), change.GridMask()),
    "mixing": (None, change.MixUp(), change.CutMix(), change.Mosaic(), change.FourierMix()),
}
COUNT, ZOOM, LABEL, GAP = 8, 2, 104, 4
SEED = 1


def main() -> None:
    """Draw all sheets."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for family, rows in FAMILIES.items():
        path = PICTURES / f"augmentations_{family}.png"
        with replacing(path) as temporary:
            # A palette makes small files.
            sheet(rows).quantize(256).save(temporary, "PNG", optimize=True)


def sheet(rows: tuple[Augmentation | None, ...]) -> Image.Image:
    """Return one row an augmentation; None is the images as they are."""
    side = 32 * ZOOM
    whole = Image.new("RGB", (LABEL + COUNT * (side + GAP), len(rows) * (side + GAP) - GAP), "white")
    pen = ImageDraw.Draw(whole)
    for row, augmentation in enumerate(rows):
        top = row * (side + GAP)
        name = "as it is" if augmentation is None else type(augmentation).__name__
        pen.text((4, top + side // 2 - 6), name, fill="black")
        for place, pixels in enumerate(pictures(augmentation)):
            picture = Image.fromarray(pixels.numpy()).resize((side, side), Image.Resampling.NEAREST)
            whole.paste(picture, (LABEL + place * (side + GAP), top))
    return whole


def pictures(augmentation: Augmentation | None) -> torch.Tensor:
    """Return images after an augmentation, (COUNT, 32, 32, 3) uint8."""
    task = sample().task
    images, labels = next(task.train.batches(COUNT))
    if augmentation is not None:
        one = replace(augmentation, chance=1.0) if isinstance(augmentation, Sometimes) else augmentation
        generator = torch.Generator().manual_seed(SEED)
        images, _ = prepared(one, task.preprocessing, task.classes)(images, labels, generator)
    mean, std = (torch.tensor(each).reshape(1, 3, 1, 1) for each in (task.preprocessing.mean, task.preprocessing.std))
    pixels = (images * std + mean) * task.preprocessing.scale
    return pixels.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


if __name__ == "__main__":
    main()

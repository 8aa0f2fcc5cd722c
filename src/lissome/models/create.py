"""Build a network of the catalog by name."""

import inspect
import math
from typing import Any

from torch import nn

from lissome.core.errors import SettingError
from lissome.core.names import choose, load_attribute
from lissome.core.seeded import seeded
from lissome.models.catalog import CATALOG


def create(
    name: str,
    *,
    classes: int | None = None,
    width: float | None = None,
    input_channels: int | None = None,
    small_input: bool = False,
    seed: int | None = None,
) -> nn.Module:
    """Return a new network of the catalog, in eval mode, with random start weights.

    Args:
        name: A name of `CATALOG`.
        classes: Number of outputs; None keeps the paper's.
        width: Multiplier of the channel counts, > 0; None keeps the entry's.
        input_channels: Channels of the image; None keeps the entry's.
        small_input: Reduce the strides of the stem so that 32x32 images keep enough pixels.
        seed: Seed of the start weights; the global generator is left as it was. None draws from the global generator.

    Raises:
        UnknownNameError: No network has that name.
        SettingError: A setting is out of range, or this network does not have it.

    Example:
        >>> import torch
        >>> model = create("resnet20", classes=4, seed=0)
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 4])
    """
    entry = choose(CATALOG, name, "model")
    build = load_attribute(entry.build)
    asked: dict[str, Any] = {"classes": classes, "width": width, "input_channels": input_channels}
    asked = {setting: value for setting, value in asked.items() if value is not None}
    for setting, value in asked.items():
        if not 0 < value < math.inf:
            raise SettingError(f"{setting} is {value}", where=name, fix="choose a finite value above 0")
    if small_input:
        asked["small_input"] = True
    absent = sorted(asked.keys() - inspect.signature(build).parameters.keys())
    if absent:
        raise SettingError(f"this network has no setting {' or '.join(absent)}", where=name, fix="leave it out")
    settings = dict(entry.settings) | asked
    with seeded(seed):
        model: nn.Module = build(**settings)
    return model.eval()

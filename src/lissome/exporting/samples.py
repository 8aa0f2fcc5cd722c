"""What a converted network is compared on: real pictures where there are any."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lissome.core.context import Context
from lissome.core.errors import SettingError

COUNT = 16
"""Samples of one comparison: enough to see a wrong layout or a lost dimension, few enough to take no time."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Inputs to compare on.

    Args:
        inputs: One batch (N, …) float32 an input of the network, N ≥ 2.
        origin: What they are, in words.
    """

    inputs: tuple[Tensor, ...]
    origin: str

    @property
    def single(self) -> tuple[Tensor, ...]:
        """The first sample as a batch of 1: converters trace with it, so a baked-in batch shows in the comparison."""
        return tuple(one[:1] for one in self.inputs)


def take_samples(context: Context) -> Samples:
    """Return up to 16 validation images; else the example input; else noise of its shape, if it is constant.

    Raises:
        SettingError: The context has neither a task nor an example.

    Example:
        >>> take_samples(Context(example=torch.zeros(1, 3, 8, 8))).origin
        'seeded noise, as the example input is constant'
    """
    if context.task is not None:
        batch = next(iter(context.task.validation.batches(COUNT, limit=COUNT)), None)
        if batch is not None:
            return _at_least_two((batch[0],), f"{len(batch[0])} validation images")
    inputs = tuple(one.detach() for one in context.example_inputs())
    if all(one.numel() > 0 and bool((one == one.flatten()[0]).all()) for one in inputs):
        # Constant input cannot tell a right layout from a wrong one.
        generator = context.generator("export samples")
        noise = tuple(torch.randn(COUNT, *one.shape[1:], generator=generator) for one in inputs)
        return Samples(noise, "seeded noise, as the example input is constant")
    count = len(inputs[0])
    return _at_least_two(inputs, "the example input" if count == 1 else f"{min(count, COUNT)} example inputs")


def _at_least_two(inputs: tuple[Tensor, ...], origin: str) -> Samples:
    kept = tuple(one[:COUNT] for one in inputs)
    return Samples(tuple(torch.cat([one, one]) if len(one) == 1 else one for one in kept), origin)


def resized(samples: Samples, shape: tuple[int, ...]) -> Samples:
    """Return the samples in another size.

    Args:
        samples: Images, one input.
        shape: The other input shape, (C, H, W) or (N, C, H, W).

    Raises:
        SettingError: The network has several inputs or takes no images, or only the size may differ and does not.

    Example:
        >>> resized(Samples((torch.rand(2, 3, 8, 8),), "noise"), (3, 12, 16)).inputs[0].shape
        torch.Size([2, 3, 12, 16])
    """
    sides, given = tuple(shape[-3:]), tuple(samples.inputs[0].shape[1:])
    if len(samples.inputs) != 1 or len(given) != 3:
        raise SettingError("is for networks with one input of images", where="also", fix="leave it out")
    if len(sides) != 3 or min(sides) < 1 or sides[0] != given[0] or sides == given:
        raise SettingError(
            f"{'x'.join(map(str, shape))} is no other size of {'x'.join(map(str, given))}",
            where="also",
            fix=f"give {given[0]} x rows x columns",
        )
    image = functional.interpolate(samples.inputs[0], size=sides[1:], mode="bilinear", align_corners=False)
    return Samples((image,), samples.origin)

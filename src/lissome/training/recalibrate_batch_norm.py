"""Estimate the statistics of batch normalisation anew."""

from dataclasses import dataclass

import torch
from torch import nn

from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.outcome import Note
from lissome.core.progress import track
from lissome.core.step import Change, Step
from lissome.training.memory_layout import fastest_layout

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
BATCH_SIZE = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class RecalibrateBatchNorm(Step):
    """Replace the running mean and variance of every batch normalisation by those of training images.

    After channels are cut or weights changed the old statistics are wrong; this mends a good part of the accuracy lost,
    without training. The images are not augmented, and nothing else of the network changes.

    Args:
        images: At most so many training images, chosen by the seed, ≥ 1; rounded down to whole batches of 128.

    Raises:
        SettingError: `images` is below 1.

    Source:
        Li et al. 2020 (EagleEye), arXiv:2007.02491, Section 3.3, "adaptive batch normalization".

    Example:
        >>> RecalibrateBatchNorm(images=0)
        Traceback (most recent call last):
        lissome.core.errors.SettingError: RecalibrateBatchNorm: images is 0; choose a value of at least 1
    """

    images: int = 1024

    def __post_init__(self) -> None:
        if self.images < 1:
            raise SettingError(
                f"images is {self.images}", where="RecalibrateBatchNorm", fix="choose a value of at least 1"
            )

    def requires(self) -> tuple[Need, ...]:
        """Return TASK."""
        return (Need.TASK,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Run training images through the copy."""
        norms = [one for one in model.modules() if isinstance(one, BATCH_NORMS) and one.track_running_stats]
        model.eval()
        if not norms:
            return Change(model, (Note("", "the network has no batch normalisation", applied=False),))
        split = context.require_task().train
        count = min(self.images, len(split))
        batch_size = min(BATCH_SIZE, count)
        whole = count // batch_size
        layout = fastest_layout(model, next(iter(split.batches(1)))[0])
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # torch's word for the plain average over all batches
            norm.train()
        batches = split.batches(batch_size, generator=context.generator("recalibration"), limit=whole * batch_size)
        with torch.no_grad():
            for inputs, _ in track(batches, context.progress, "recalibrate", whole):
                model(inputs.contiguous(memory_format=layout))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.eval()
        used = whole * batch_size
        note = Note("", f"statistics of {len(norms)} normalisations re-estimated on {used:,} training images")
        return Change(model, (note,), {"images": used})

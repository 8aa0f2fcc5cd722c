"""What the page of a search shows of its network beside the figures."""

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lissome.core.errors import UnknownNameError
from lissome.devices.catalog import THIS
from lissome.profiling.find_device import device_of
from lissome.profiling.roofline import predict
from lissome.timing.comparison import Side
from lissome.timing.device import ThisMachine, TimingDevice
from lissome.training.histogram import histogram
from lissome.tuning.trials.facts import Facts


def views_of(
    original: nn.Module, winner: nn.Module, side: Side, engine: str, facts: Facts, device: TimingDevice
) -> dict[str, Any]:
    """Return sensitivity, scales and roofline as plain values; None for what is not known.

    Args:
        original: The network before.
        winner: The network after.
        side: What was measured of the winner.
        engine: The engine it runs on.
        facts: What was known before the search.
        device: What it was timed on; a remote one has no roofline here.
    """
    return {
        "sensitivity": facts.sensitivity,
        "scales": {"original": scales_of(original), "winner": scales_of(winner)},
        "roofline": _roofline(side, engine) if device == ThisMachine() else None,
    }


def scales_of(model: nn.Module) -> dict[str, Any] | None:
    """Return the histogram of what batch normalisations multiply channels by; None where there are none.

    Example:
        >>> scales_of(nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8)))["counts"][-1]
        8
    """
    layers = [one for one in model.modules() if isinstance(one, _BatchNorm) and one.weight is not None]
    return histogram(torch.cat([one.weight.detach().abs().flatten() for one in layers])) if layers else None


def _roofline(side: Side, engine: str) -> dict[str, Any] | None:
    try:
        return predict(side.cost, device_of(THIS), precision=side.precision[engine]).to_dict()
    except UnknownNameError:
        return None  # a precision that this machine has no peak of

"""What an engine must agree with: the source network in float32 and, where that is itself in doubt, in float64.

A network that asks where a maximum is (ENet's unpooling) answers by the last bit where two values are equal but for
rounding. Then PyTorch in float32, an engine in float32 and the exact answer may be three different ones though nothing
is wrong. So what is beyond the limits is compared once more, with the same network in double precision, and taken if it

- is within the very same limits there, or
- is no farther away than PyTorch's float32 itself, in any output: neither in the largest difference nor in direction
  (cosine), so that neither one value nor many are worse. That excuse holds only while float32 keeps all limits but that
  of the largest difference: a few of its values flipped, and the rest is right.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from torch import nn

from lissome.core.errors import LissomeError
from lissome.core.module_graph import run_once
from lissome.exporting.parity import FLOAT, INTEGER, Limits, OutputParity, Parity, compare
from lissome.exporting.samples import Samples
from lissome.layers.fake_quantize import is_quantized
from lissome.runtimes.torch import flat_outputs

Outputs = list[npt.NDArray[np.float32]]


class Reference:
    """A source network and its samples; each of its outputs is computed once, when it is first needed.

    Args:
        model: The network; left as it was.
        samples: What it runs.

    Example:
        >>> import torch
        >>> reference = Reference(nn.ReLU(), Samples((torch.tensor([[-1.0, 2.0]]),), "two numbers"))
        >>> reference.compare([np.array([[0.0, 2.0]], np.float32)], engine="demo").failure is None
        True
    """

    def __init__(self, model: nn.Module, samples: Samples) -> None:
        self.model, self.samples = model, samples

    @cached_property
    def outputs(self) -> Outputs:
        """What it gives in float32.

        Raises:
            ShapeError: It does not take the samples.
        """
        return outputs_of(self.model, self.samples)

    @cached_property
    def exact(self) -> Outputs | None:
        """What it gives in float64, as float32; None where it cannot be run so: it holds numbers of another type."""
        try:
            samples = Samples(tuple(one.double() for one in self.samples.inputs), self.samples.origin)
            exact = outputs_of(copy.deepcopy(self.model).double(), samples)
        except (LissomeError, RuntimeError):
            return None
        return [one.astype(like.dtype) for one, like in zip(exact, self.outputs, strict=True)]

    @property
    def limits(self) -> Limits:
        """What is demanded of float files, or of integer ones where the network rounds."""
        return INTEGER if is_quantized(self.model) else FLOAT

    def compare(
        self, outputs: Sequence[npt.NDArray[np.float32]], *, engine: str, limits: Limits | None = None
    ) -> Parity:
        """Compare an engine's outputs with those in float32, and if that fails, with those in float64.

        Args:
            outputs: The engine's, for the samples.
            engine: Its name, for messages.
            limits: What is demanded; None takes `self.limits`.

        Returns:
            The comparison that was passed. Where none was, the one with float32.

        Raises:
            ParityError: Another number of outputs, another shape, or a value that is not finite.
        """
        wanted = limits or self.limits
        parity = compare(self.outputs, outputs, engine=engine, limits=wanted)
        if parity.failure is None or self.exact is None:
            return parity
        own = compare(self.exact, self.outputs, engine="torch", limits=wanted)
        exact = compare(self.exact, outputs, engine=engine, limits=wanted)
        if exact.failure is not None:
            exact = replace(exact, limits=_excused(own))
            if exact.failure is not None or any(map(_farther, exact.outputs, own.outputs)):
                return parity
        return replace(exact, float32_rel=own.max_rel)

    def behind(self, parity: Parity) -> Outputs:
        """Return the outputs that a comparison was made with."""
        return self.outputs if parity.float32_rel is None or self.exact is None else self.exact


def _excused(own: Parity) -> Limits:
    """Return limits as wide as float32 is away from float64, if that is all that is wrong with it."""
    wider = replace(own.limits, max_rel=max(own.limits.max_rel, own.max_rel))
    return wider if replace(own, limits=wider).failure is None else own.limits


def _farther(one: OutputParity, yardstick: OutputParity) -> bool:
    return one.max_rel > yardstick.max_rel or one.cosine < yardstick.cosine


def outputs_of(model: nn.Module, samples: Samples) -> Outputs:
    """Return what a module gives for the samples.

    Raises:
        ShapeError: It does not take them.
    """
    return [one.numpy() for one in flat_outputs(run_once(model, samples.inputs))]

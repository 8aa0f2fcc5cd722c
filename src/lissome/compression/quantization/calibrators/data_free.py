"""The range that batch normalisation promises; no image is seen."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx

from lissome.compression.quantization.calibrators.calibrator import Calibrator
from lissome.compression.quantization.foresee import foresee
from lissome.compression.quantization.observe import Observed, mark_tensors
from lissome.compression.quantization.placement import places
from lissome.compression.quantization.ranges import Range
from lissome.compression.quantization.spread import Spread
from lissome.core.context import Context
from lissome.core.errors import SettingError

_FIX = "choose a calibrator that reads images"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFree(Calibrator):
    """No images: a channel reaches as many deviations from its mean as is said here, cut off where it is clipped.

    Mean and deviation are those that the folded batch normalisation gives, and where none stands they are computed from
    what goes in.

    Args:
        deviations: From the mean to the ends, > 0. Default 6.
        input: Least and greatest value of the network's input; None takes what the task's pre-processing makes of the
            darkest and the brightest pixel.

    Raises:
        SettingError: A value is out of its range; or, when used, the range of the input is not known, the network has
            no batch normalisation, or an operator lets nothing be said of its result.

    Source:
        Nagel et al. 2019, Data-free quantization, arXiv:1906.04721, section 5.

    Example:
        >>> DataFree(input=(-1.0, 1.0)).reads_images
        False
    """

    counting: ClassVar[bool] = False
    reads_images: ClassVar[bool] = False

    deviations: float = 6.0
    input: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.deviations < math.inf:
            raise SettingError(f"deviations is {self.deviations}", where="DataFree", fix="choose a value above 0")
        if self.input is not None and not -math.inf < self.input[0] < self.input[1] < math.inf:
            fix = "give the least and the greatest value"
            raise SettingError(f"input is {self.input}", where="DataFree", fix=fix)

    def observed(self, graph: fx.GraphModule, context: Context, images: int) -> Observed:
        """Return what each rounded result is expected to be; `images` has no say."""
        del images
        examples = tuple(one[:1] for one in context.example_inputs())
        mark_tensors(graph, *examples)
        origins = places(graph)
        ends: dict[fx.Node, tuple[float, float]] = {}

        def visit(node: fx.Node, spread: Spread) -> None:
            ends[node] = float(spread.low.min()), float(spread.high.max())

        inputs = [Spread.even(*self._ends(one, context)) for one in examples]
        if not foresee(graph, inputs, self.deviations, visit):
            what = "the network has no batch normalisation that can tell what to expect"
            raise SettingError(what, where="DataFree", fix=f"fold none before, or {_FIX}")
        ranges: dict[fx.Node, Range] = {}
        for origin in dict.fromkeys(origins.values()):
            known = ends.get(origin, (math.nan, math.nan))
            if not all(map(math.isfinite, known)):
                raise SettingError(f"nothing tells what to expect of {origin}", where="DataFree", fix=_FIX)
            ranges[origin] = Range(counting=False)
            ranges[origin].update(torch.tensor(known))
        return Observed({node.name: ranges[origin] for node, origin in origins.items()}, 0)

    def choose(self, seen: Range, levels: int = 256) -> tuple[float, float]:
        """Return the ends that are expected."""
        del levels
        return seen.low, seen.high

    def _ends(self, example: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """Return the least and greatest value of each entry of the input."""
        if self.input is not None:
            return torch.full_like(example, self.input[0]), torch.full_like(example, self.input[1])
        if context.task is None:
            what = "the range of the network's input is not known"
            raise SettingError(what, where="DataFree", fix="give input=(least, greatest), or a task")
        made = context.task.preprocessing
        mean, std = (torch.tensor(one).reshape(1, -1, 1, 1) for one in (made.mean, made.std))
        return (0 - mean) / std + 0 * example, (255 / made.scale - mean) / std + 0 * example

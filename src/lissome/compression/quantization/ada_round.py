"""Choose for each weight whether it is rounded up or down."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lissome.compression.quantization.correct_bias import rounding
from lissome.compression.quantization.lockstep import channel_mean, images_of, in_lockstep
from lissome.compression.quantization.moments import Moments, moments_of
from lissome.compression.quantization.quantize import Quantize
from lissome.compression.quantization.rounding_search import learned_rounding
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.outcome import Note
from lissome.core.step import Change, Step
from lissome.layers.fake_quantize import QuantizedConv2d, QuantizedLinear, rounded_weight

_DAMPING = 0.01
_SHRUNK = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaRound(Step):
    """Round the weights of each layer so that its output is off by least on training images, and correct its bias.

    Nearest rounding is best for each weight and not for their sum. Layers are rounded in order, each on inputs that
    come from layers already rounded, against its output in float. The weights kept are whole multiples of their scale.

    Args:
        images: Training images, ≥ 1, balanced over the classes. Default 256.
        steps: Of gradient descent a layer, ≥ 0; 0 only flips single weights. Default 200.
        scales: Also try smaller scales, which clip the largest weights; helps at 4 bits and fewer.
        quantize: How a network that does not round yet is quantized first; None leaves such a network alone.

    Raises:
        SettingError: A value is out of its range.

    Source:
        Nagel et al. 2020, Up or Down?, arXiv:2004.10568. The error is written with second moments of the inputs
        (equation 13), so the images are read once; damped as in Frantar et al. 2022, arXiv:2208.11580.
    """

    images: int = 256
    steps: int = 200
    scales: bool = True
    quantize: Quantize | None = None

    def __post_init__(self) -> None:
        if self.images < 1 or self.steps < 0:
            what = f"images is {self.images}, steps is {self.steps}"
            raise SettingError(what, where="AdaRound", fix="choose at least 1 image and at least 0 steps")

    def requires(self) -> tuple[Need, ...]:
        """Training images."""
        return (Need.TASK,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Round in the copy."""
        graph, earlier = rounding(model, self.quantize, context)
        if graph is None:
            return Change(model, earlier, {"layers_rounded": 0})
        notes: list[Note] = []

        def visit(
            path: str,
            layer: QuantizedConv2d | QuantizedLinear,
            inputs: list[Tensor],
            originals: list[Tensor],
            wanted: list[Tensor],
        ) -> None:
            context.progress.say(f"rounding {path}")
            before, after = self._round(layer, moments_of(layer, inputs, originals))
            shift = channel_mean(wanted) - channel_mean([layer(one) for one in inputs])
            layer.bias = nn.Parameter(shift if layer.bias is None else layer.bias + shift)
            notes.append(Note(path, f"output error {after / max(before, 1e-30):.1%} of that of nearest rounding"))

        in_lockstep(graph, images_of(context, self.images), visit)
        return Change(graph, (*earlier, *notes), {"layers_rounded": len(notes)})

    def _round(self, layer: QuantizedConv2d | QuantizedLinear, moments: Moments) -> tuple[float, float]:
        """Round a layer's weights, in place, and return the error before and after."""
        groups = len(moments.rounded)
        weight = layer.weight.detach().reshape(groups, len(layer.weight) // groups, -1)
        diagonal = moments.rounded.diagonal(dim1=1, dim2=2)
        # A channel that is always 0 has no moments of its own; a little of the others' keeps the matrix regular.
        size = _DAMPING * diagonal.mean(1) + 1e-4 * diagonal.mean() + 1e-12
        damping = size[:, None, None] * torch.eye(diagonal.shape[1])
        moment = moments.rounded + damping
        # The float weights that would give the float output from the rounded inputs.
        wanted = torch.linalg.solve(moment, (moments.crossed + damping) @ weight.transpose(1, 2)).transpose(1, 2)
        scale = layer.weight_scale.reshape(groups, -1, 1)
        before = _error(rounded_weight(layer).detach().reshape(weight.shape) - wanted, moment)
        if self.scales and layer.levels < 127 and not _one_scale(layer.weight_scale):
            scale = _best_scale(wanted, scale, moment, layer.levels)
        integers = learned_rounding(wanted / scale, moment, layer.levels, self.steps)
        after = _error(integers * scale - wanted, moment)
        if float(after.sum()) < float(before.sum()):
            layer.weight = nn.Parameter((integers * scale).reshape(layer.weight.shape).contiguous())
            layer.weight_scale = scale.reshape(-1).contiguous()
        return float(before.sum()), min(float(after.sum()), float(before.sum()))


def _one_scale(scale: Tensor) -> bool:
    return len(scale) > 1 and bool((scale == scale[0]).all())


def _best_scale(wanted: Tensor, scale: Tensor, moment: Tensor, levels: int) -> Tensor:
    """Return, channel by channel, the scale whose nearest rounding gives the least output error."""
    least = torch.full_like(scale, torch.inf)
    best = scale
    for factor in _SHRUNK:
        tried = scale * factor
        rounded = (wanted / tried).round().clamp(-levels, levels) * tried
        error = _error(rounded - wanted, moment)[:, :, None]
        best = torch.where(error < least, tried, best)
        least = torch.minimum(error, least)
    return best


def _error(difference: Tensor, moment: Tensor) -> Tensor:
    """Return the mean squared error of the output of each channel, (groups, channels)."""
    return ((difference @ moment) * difference).sum(2)

"""Put right what rounding shifts on average."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, fx, nn

from lissome.compression.quantization.foresee import foresee, layer_of
from lissome.compression.quantization.lockstep import channel_mean, images_of, in_lockstep
from lissome.compression.quantization.quantize import Quantize
from lissome.compression.quantization.spread import Spread
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import trace
from lissome.core.outcome import Note
from lissome.core.step import Change, Step
from lissome.layers.fake_quantize import QuantizedConv2d, QuantizedLinear, is_quantized, rounded_weight


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectBias(Step):
    """Add to each bias what the rounded layer lacks on average, channel by channel.

    Rounding weights and inputs shifts the mean of a channel; a bias can take that back at no cost. On training images
    layers are corrected in order, each on inputs that come from corrected layers. By statistics no image is read: what
    a layer reads on average is what batch normalisation and the clipping behind it give, so that rounded weights shift
    its output by their rounding error times that; layers that read the network's input stay as they are.

    Args:
        source: What tells it: "images", or the "statistics" of the batch normalisations that `Quantize` has folded.
        images: Training images, if they tell it, ≥ 1, balanced over the classes. Default 128.
        quantize: How a network that does not round yet is quantized first; None leaves such a network alone.

    Raises:
        SettingError: `images` is below 1, or `source` is another word.

    Source:
        Nagel et al. 2019, Data-free quantization, arXiv:1906.04721, section 4.2 (analytic) and appendix D (empirical).
    """

    source: Literal["images", "statistics"] = "images"
    images: int = 128
    quantize: Quantize | None = None

    def __post_init__(self) -> None:
        if self.images < 1:
            raise SettingError(f"images is {self.images}", where="CorrectBias", fix="choose at least 1")
        if self.source not in ("images", "statistics"):
            fix = 'choose "images" or "statistics"'
            raise SettingError(f"source is {self.source!r}", where="CorrectBias", fix=fix)

    def requires(self) -> tuple[Need, ...]:
        """Training images, if they tell it or quantizing reads them; an example input otherwise."""
        mine = Need.TASK if self.source == "images" else Need.EXAMPLE
        return tuple(dict.fromkeys((mine, *(self.quantize.requires() if self.quantize else ()))))

    def change(self, model: nn.Module, context: Context) -> Change:
        """Correct in the copy."""
        graph, before = rounding(model, self.quantize, context)
        if graph is None:
            return Change(model, before, {"biases_corrected": 0})
        notes = self._by_images(graph, context) if self.source == "images" else _by_statistics(graph, context)
        return Change(graph, (*before, *notes), {"biases_corrected": sum(one.applied for one in notes)})

    def _by_images(self, graph: fx.GraphModule, context: Context) -> list[Note]:
        notes: list[Note] = []

        def visit(
            path: str,
            layer: QuantizedConv2d | QuantizedLinear,
            inputs: list[Tensor],
            _: list[Tensor],
            wanted: list[Tensor],
        ) -> None:
            notes.append(_shifted(path, layer, channel_mean(wanted) - channel_mean([layer(one) for one in inputs])))

        in_lockstep(graph, images_of(context, self.images), visit)
        return notes


def _by_statistics(graph: fx.GraphModule, context: Context) -> list[Note]:
    shifts: dict[str, list[Tensor]] = {}

    def visit(node: fx.Node, spread: Spread) -> None:
        for user in node.users:
            layer = graph.get_submodule(str(user.target)) if user.op == "call_module" else None
            if isinstance(layer, QuantizedConv2d | QuantizedLinear):
                lacking = layer_of(layer, layer.weight - rounded_weight(layer), spread.mean, None)
                shifts.setdefault(str(user.target), []).append(channel_mean([lacking]))

    inputs = [Spread.unknown(one[:1]) for one in context.example_inputs()]
    foresee(graph, inputs, 1.0, visit)
    notes = []
    for path, found in shifts.items():
        layer = graph.get_submodule(path)
        assert isinstance(layer, QuantizedConv2d | QuantizedLinear)
        shift = torch.stack(found).mean(0).detach()
        if bool(torch.isnan(shift).any()):
            notes.append(Note(path, "no batch normalisation tells what it reads on average", applied=False))
        else:
            notes.append(_shifted(path, layer, shift))
    return notes


def _shifted(path: str, layer: QuantizedConv2d | QuantizedLinear, shift: Tensor) -> Note:
    """Add to a layer's bias, in place."""
    layer.bias = nn.Parameter(shift if layer.bias is None else layer.bias + shift)
    return Note(path, f"bias corrected by {float(shift.abs().mean()):.2e} on average")


NOTHING_ROUNDS = Note("", "nothing of the network rounds: put Quantize before, or give quantize=", applied=False)


def rounding(
    model: nn.Module, quantize: Quantize | None, context: Context
) -> tuple[fx.GraphModule | None, tuple[Note, ...]]:
    """Return the model as a traced network that rounds, quantized first if it does not yet, and the notes.

    None where nothing rounds and nothing shall: a network that a budget has left float must stay so.
    """
    if is_quantized(model):
        return model if isinstance(model, fx.GraphModule) else trace(model, context.example_inputs()), ()
    if quantize is None:
        return None, (NOTHING_ROUNDS,)
    change = quantize.change(model, context)
    assert isinstance(change.model, fx.GraphModule)
    return change.model, change.notes

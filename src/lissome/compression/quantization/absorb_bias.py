"""Move what a channel always carries from one layer into the bias of the next."""

from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from lissome.compression.quantization.layer_pairs import LayerPair, layer_at, layer_pairs, weights_by_input
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import trace
from lissome.core.outcome import Note
from lissome.core.step import Change, Step
from lissome.tracing.batch_norm_folding import fold_batch_norms


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsorbBias(Step):
    """High-bias absorption: a channel that is hardly ever below some value gives it to the next layer's bias.

    ``relu(x - c) + c = relu(x)`` where x stays above c: the range of the activation shrinks by c, and with it its
    scale. c is so many deviations below the mean that the folded batch normalisation gives; where the channel hardly
    ever falls below 0 that is above 0. No image is read. Use it after `EqualizeLayers` and before `Quantize`.

    Args:
        deviations: How far below the mean c lies, > 0. Default 3.

    Raises:
        SettingError: `deviations` is not above 0.

    Source:
        Nagel et al. 2019, Data-free quantization, arXiv:1906.04721, section 4.1.3. That layers which pad with zeros are
        left alone, since at the border c would be missing, is ours.
    """

    deviations: float = 3.0

    def __post_init__(self) -> None:
        if not self.deviations > 0:
            raise SettingError(f"deviations is {self.deviations}", where="AbsorbBias", fix="choose a value above 0")

    def requires(self) -> tuple[Need, ...]:
        """An example input."""
        return (Need.EXAMPLE,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Move in the copy; its class stays."""
        inputs = context.example_inputs()
        notes = [note for note in fold_batch_norms(model, inputs, remember=True) if not note.applied]
        graph = trace(model, inputs)
        moved = 0
        for pair in layer_pairs(graph):
            reason = _obstacle(graph, pair)
            amount = self._amount(graph, pair) if reason is None else torch.zeros(1)
            if bool((amount > 0).any()):
                _move(graph, pair, amount)
                what = f"{int((amount > 0).sum())} channels give up to {float(amount.max()):.3g} to {pair.second}"
                notes.append(Note(pair.first, what))
                moved += 1
            else:
                notes.append(Note(pair.first, reason or "every channel comes near 0", applied=False))
        return Change(model, tuple(notes), {"layers_absorbed": moved})

    def _amount(self, graph: fx.GraphModule, pair: LayerPair) -> Tensor:
        """Return what each channel is hardly ever below, (channels,); 0 where a ReLU6 clips it."""
        norm = pair.norms(graph)[-1]
        reach = self.deviations * norm.deviation
        clipped = bool(pair.clips(graph)) & (norm.mean + reach > 6)
        return torch.where(clipped, 0.0, (norm.mean - reach).clamp_min(0.0))


def _obstacle(graph: fx.GraphModule, pair: LayerPair) -> str | None:
    layers = [graph.get_submodule(path) for path in pair.between]
    second = layer_at(graph, pair.second)
    pads = isinstance(second, nn.Conv2d) and second.padding not in ((0, 0), "valid")
    pads |= any(isinstance(one, nn.ZeroPad2d) or (isinstance(one, nn.AvgPool2d) and one.padding) for one in layers)
    if pads:
        return f"zeros are padded before {pair.second}"
    return None if pair.norms(graph) else "no batch normalisation tells what its channels are"


def _move(graph: fx.GraphModule, pair: LayerPair, amount: Tensor) -> None:
    first, second = layer_at(graph, pair.first), layer_at(graph, pair.second)
    with torch.no_grad():
        weights = weights_by_input(second).sum(3)
        gained = torch.einsum("gi,gio->go", amount.reshape(weights.shape[:2]), weights).reshape(-1)
        first.bias = nn.Parameter(-amount if first.bias is None else first.bias - amount)
        second.bias = nn.Parameter(gained if second.bias is None else second.bias + gained)
    for norm in pair.norms(graph):
        norm.mean = norm.mean - amount

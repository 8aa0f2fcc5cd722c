"""Give the channels between two layers equal ranges, so that one scale suits them all."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, fx, nn

from lissome.compression.quantization.layer_pairs import LayerPair, layer_at, layer_pairs, weights_by_input
from lissome.compression.quantization.lockstep import images_of
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import trace
from lissome.core.outcome import Note
from lissome.core.step import Change, Step
from lissome.layers.folded_norm import FoldedNorm
from lissome.tracing.batch_norm_folding import fold_batch_norms

_ROUNDS = 20
_LEAST, _MOST = 1e-3, 1e3
_REACH = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualizeLayers(Step):
    """Cross-layer equalisation: scale each channel between two layers so that both layers' weights span as much.

    ``relu(x / s) = relu(x) / s``: a channel divided by s on its way out of one layer and multiplied by it on its way
    into the next computes the same. s is chosen to give the channel the same range in both, again and again until
    nothing changes. Batch normalisation is folded first. Use it before `Quantize` with a scale a tensor, or at few
    bits; depthwise layers need it most.

    Args:
        relu6: What happens where a ReLU6 lies between, for which the equation does not hold: "bound" keeps it and
            scales a channel no further than its values stay below 6; "replace" makes it a ReLU, which changes what was
            above 6; "skip" leaves such layers alone.
        source: What tells how large channels get, for "bound": training "images", or the "statistics" of batch
            normalisation, four deviations above the mean.
        images: Training images, if they tell it. Default 128.

    Raises:
        SettingError: A value is out of its range.

    Source:
        Nagel et al. 2019, Data-free quantization, arXiv:1906.04721, section 4.1, equation 11. The bound is ours.
    """

    relu6: Literal["bound", "replace", "skip"] = "bound"
    source: Literal["images", "statistics"] = "images"
    images: int = 128

    def __post_init__(self) -> None:
        if self.relu6 not in ("bound", "replace", "skip"):
            fix = 'choose "bound", "replace" or "skip"'
            raise SettingError(f"relu6 is {self.relu6!r}", where="EqualizeLayers", fix=fix)
        if self.source not in ("images", "statistics"):
            fix = 'choose "images" or "statistics"'
            raise SettingError(f"source is {self.source!r}", where="EqualizeLayers", fix=fix)
        if self.images < 1:
            raise SettingError(f"images is {self.images}", where="EqualizeLayers", fix="choose at least 1")

    def requires(self) -> tuple[Need, ...]:
        """Training images, where ReLU6 is bounded by them; an example input otherwise."""
        return (Need.TASK,) if self.relu6 == "bound" and self.source == "images" else (Need.EXAMPLE,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Scale in the copy; its class stays."""
        inputs = context.example_inputs()
        notes = [note for note in fold_batch_norms(model, inputs, remember=True) if not note.applied]
        graph = trace(model, inputs)
        pairs = []
        for one in layer_pairs(graph):
            reason = self._obstacle(graph, one)
            if reason:
                notes.append(Note(one.first, reason, applied=False))
            else:
                pairs.append(one)
        clipped = [one for one in pairs if one.clips(graph)] if self.relu6 == "bound" else []
        if self.source == "images" and clipped:
            largest = _largest(graph, [one.first for one in clipped], images_of(context, self.images))
        else:
            largest = {one.first: _expected_largest(one.norms(graph)) for one in clipped}
        total = {one.first: torch.ones(len(layer_at(graph, one.first).weight)) for one in pairs}
        with torch.no_grad():
            for _ in range(_ROUNDS):
                moved = [_equalize(graph, one, total, largest.get(one.first)) for one in pairs]
                if max(moved, default=0.0) < 1e-3:
                    break
        for one in pairs:
            if self.relu6 == "replace":
                for path in one.clips(graph):
                    owner, _, name = path.rpartition(".")
                    setattr(model.get_submodule(owner), name, nn.ReLU())
            spread = total[one.first].log2().abs().max()
            notes.append(Note(one.first, f"equalised with {one.second}, by up to {2.0 ** float(spread):.3g}"))
        return Change(model, tuple(notes), {"pairs_equalised": len(pairs)})

    def _obstacle(self, graph: fx.GraphModule, pair: LayerPair) -> str | None:
        if not pair.clips(graph) or self.relu6 == "replace":
            return None
        if self.relu6 == "skip":
            return "a ReLU6 follows"
        known = self.source == "images" or pair.norms(graph)
        return None if known else "a ReLU6 follows, and no batch normalisation tells how large its channels get"


def _equalize(graph: fx.GraphModule, pair: LayerPair, total: dict[str, Tensor], largest: Tensor | None) -> float:
    """Scale the channels of one pair, in place, and return by how much at most (in powers of two)."""
    first, second = layer_at(graph, pair.first), layer_at(graph, pair.second)
    reads = weights_by_input(second)
    ranges = first.weight.abs().flatten(1).amax(1), reads.abs().amax((2, 3)).reshape(-1)
    alive = (ranges[0] > 1e-9) & (ranges[1] > 1e-9)
    scale = torch.where(alive, (ranges[0] / ranges[1].clamp_min(1e-9)).sqrt(), 1.0)
    so_far = total[pair.first]
    wanted = (so_far * scale).clamp(_LEAST, _MOST)
    if largest is not None:
        # In the scaled network a channel is its old values / s, and must stay below 6; one that is clipped must stay.
        wanted = torch.where(largest < 6, torch.maximum(wanted, largest / 6), 1.0)
    scale = wanted / so_far
    first.weight.div_(scale.reshape(-1, *[1] * (first.weight.dim() - 1)))
    if first.bias is not None:
        first.bias.div_(scale)
    reads.mul_(scale.reshape(reads.shape[0], reads.shape[1], 1, 1))
    for norm in pair.norms(graph):
        norm.mean, norm.deviation = norm.mean / scale, norm.deviation / scale
    total[pair.first] = wanted
    return float(scale.log2().abs().max())


def _largest(graph: fx.GraphModule, paths: list[str], images: list[Tensor]) -> dict[str, Tensor]:
    """Return the greatest output of each channel of some layers, (channels,), with a quarter to spare."""
    found: dict[str, Tensor] = {}

    def note(path: str, output: Tensor) -> None:
        seen = output.amax((0, *range(2, output.dim())))
        found[path] = torch.maximum(found[path], seen) if path in found else seen

    hooks = [
        graph.get_submodule(path).register_forward_hook(lambda _, __, output, path=path: note(path, output))
        for path in dict.fromkeys(paths)
    ]
    try:
        with torch.inference_mode():
            for batch in images:
                graph(batch)
    finally:
        for one in hooks:
            one.remove()
    return {path: one.clamp_min(0).clone() * 1.25 for path, one in found.items()}


def _expected_largest(norms: list[FoldedNorm]) -> Tensor:
    """Return what the channels of folded normalisations hardly ever exceed, (channels,)."""
    return torch.stack([one.mean + _REACH * one.deviation for one in norms]).amax(0).clamp_min(0)

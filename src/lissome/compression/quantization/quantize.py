"""Round weights and activations to integers, as the engine will."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from lissome.compression.quantization.calibrators import Calibrator, MinMax, Range
from lissome.compression.quantization.formats import Int8
from lissome.compression.quantization.placement import is_computing, places
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import trace
from lissome.core.outcome import Note
from lissome.core.progress import track
from lissome.core.step import Change, Step
from lissome.layers.fake_quantize import FakeQuantize, with_rounded_weights
from lissome.tracing.batch_norm_folding import fold_batch_norms


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize(Step):
    """Static int8: weights and activations become integers, with ranges calibrated on training images.

    Batch normalisation is folded first. The new model is a traced graph that rounds as the engine will; exported, it
    is an ONNX file in QDQ form whose weights are stored in 8 bits. The output stays float.

    Args:
        weights: Format of weights. Default int8 with one scale an output channel.
        activations: Format of activations. Default 8 bits with one scale a tensor.
        calibrator: How a range is chosen from what was seen. Default least and greatest.
        images: Training images to calibrate on, ≥ 1. Default 256.

    Raises:
        SettingError: `images` is below 1, or activations are asked to have a scale a channel.

    Source:
        Jacob et al. 2018, arXiv:1712.05877; Krishnamoorthi 2018, arXiv:1806.08342.
    """

    weights: Int8 = field(default_factory=lambda: Int8(per="channel"))
    activations: Int8 = field(default_factory=Int8)
    calibrator: Calibrator = field(default_factory=MinMax)
    images: int = 256

    def __post_init__(self) -> None:
        if self.images < 1:
            raise SettingError(f"images is {self.images}", where="Quantize", fix="calibrate on at least 1")
        if self.activations.per != "tensor":
            raise SettingError(
                "activations cannot have a scale a channel", where="Quantize", fix='use Int8(per="tensor") for them'
            )

    def requires(self) -> tuple[Need, ...]:
        """Training images."""
        return (Need.TASK,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Fold, observe, place quantizers."""
        inputs = context.example_inputs()
        notes = [note for note in fold_batch_norms(model, inputs) if not note.applied]
        graph = trace(model, inputs)
        seen = self._observe(graph, context)
        rounded = [node for node in graph.graph.nodes if is_computing(graph, node)]
        notes += [self._round_weights(graph, path) for path in dict.fromkeys(str(node.target) for node in rounded)]
        _insert(graph, {node: self._quantizer(one) for node, one in seen.items()})
        return Change(
            graph,
            tuple(notes),
            {"layers_quantized": len(rounded), "activations_quantized": len(seen), "calibration_images": self.images},
        )

    def _observe(self, graph: fx.GraphModule, context: Context) -> dict[fx.Node, Range]:
        """Return what each rounded result was seen to be, those that share a quantizer under the same Range."""
        batches = context.require_task().train.batches(64, generator=context.generator("Quantize"), limit=self.images)
        observer = _Observer(graph)
        with torch.no_grad():
            for images, _ in track(batches, context.progress, "calibrating"):
                observer.run(images)
        return observer.ranges

    def _round_weights(self, graph: fx.GraphModule, path: str) -> Note:
        layer = graph.get_submodule(path)
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        owner, _, name = path.rpartition(".")
        setattr(graph.get_submodule(owner), name, with_rounded_weights(layer, self.weights.weight_scale(layer.weight)))
        return Note(path, f"int8 weights per {self.weights.per}")

    def _quantizer(self, seen: Range) -> FakeQuantize:
        scale, zero_point = self.activations.activation_scale(*self.calibrator.choose(seen))
        return FakeQuantize(scale, zero_point)


class _Observer(fx.Interpreter):
    """Runs a traced network and keeps the ranges of the results that will be rounded."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.graph_module = graph
        self.ranges: dict[fx.Node, Range] = {}
        self._places: dict[fx.Node, fx.Node] | None = None

    def run(self, *args: Any, **kwargs: Any) -> Any:
        if self._places is None:
            super().run(*args, **kwargs)  # the first run finds out which nodes are tensors
            self._places = places(self.graph_module)
            origins = {node: Range() for node in self._places.values()}
            self.ranges = {node: origins[origin] for node, origin in self._places.items()}
        return super().run(*args, **kwargs)

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor) and value.is_floating_point():
            n.meta["tensor_meta"] = True
            if self._places and self._places.get(n) is n:
                self.ranges[n].update(value)
        return value


def _insert(graph: fx.GraphModule, quantizers: dict[fx.Node, FakeQuantize]) -> None:
    """Put a quantizer behind each node; nodes that share a range share its numbers."""
    for number, (node, quantizer) in enumerate(quantizers.items()):
        name = f"quantizer_{number}"
        graph.add_module(name, quantizer)
        with graph.graph.inserting_after(node):
            rounded = graph.graph.call_module(name, (node,))
        for user in [one for one in node.users if one is not rounded]:
            user.replace_input_with(node, rounded)
    graph.graph.lint()
    graph.recompile()

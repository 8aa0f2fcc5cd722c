"""Round weights and activations to integers, as the engine will."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import fx, nn

from lissome.compression.quantization.building import computing_paths, insert_quantizers, round_weights
from lissome.compression.quantization.calibrators import Calibrator, MinMax
from lissome.compression.quantization.formats import Format, Int8, Linear, Uniform
from lissome.compression.quantization.observe import Observed
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import trace
from lissome.core.outcome import Note
from lissome.core.patterns import check_patterns, matches
from lissome.core.step import Change, Step
from lissome.tracing.batch_norm_folding import fold_batch_norms


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize(Step):
    """Static integers: weights and activations are rounded, with ranges calibrated on training images, or on none.

    Batch normalisation is folded first. The new model is a traced graph that rounds as the engine will; exported, it
    is an ONNX file in QDQ form whose weights are stored in 8 bits. Weights of fewer bits are such integers within
    their own range: an engine multiplies them as int8, and the artifact packs them. The output stays float.

    Args:
        weights: Format of weights. Default int8 with one scale an output channel.
        activations: Format of activations. Default 8 bits with one scale a tensor.
        calibrator: How a range is chosen from what was seen. Default least and greatest; `DataFree` needs no data.
        images: Training images to calibrate on, if any are read, ≥ 1, balanced over the classes. Default 256.
        skip: Patterns of layer paths that stay float.
        ends: False leaves the first and the last layer float.
        bits_of: Bits of the weights of single layers, by their path, instead of those of `weights`.

    Raises:
        SettingError: `images` is below 1, activations are asked to have a scale a channel, a format is none that an
            engine can multiply as int8, or a layer named does not exist.

    Source:
        Jacob et al. 2018, arXiv:1712.05877; Krishnamoorthi 2018, arXiv:1806.08342.
    """

    weights: Format = field(default_factory=lambda: Int8(per="channel"))
    activations: Format = field(default_factory=Int8)
    calibrator: Calibrator = field(default_factory=MinMax)
    images: int = 256
    skip: tuple[str, ...] = ()
    ends: bool = True
    bits_of: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.images < 1:
            raise SettingError(f"images is {self.images}", where="Quantize", fix="calibrate on at least 1")
        if not isinstance(self.weights, Linear) or not self.weights.engine_ready:
            raise SettingError(
                f"no engine multiplies {type(self.weights).__name__} weights of this kind as int8",
                where="Quantize",
                fix="choose Int8, PowerOfTwo or a symmetric Uniform of at most 8 bits, or use QuantizeWeights",
            )
        if not isinstance(self.activations, Linear) or self.activations.bits > 8:
            raise SettingError(
                f"activations cannot be {type(self.activations).__name__} of {self.activations.bits} bits",
                where="Quantize",
                fix="choose Int8, PowerOfTwo or Uniform of at most 8 bits for them",
            )
        if self.activations.per != "tensor":
            raise SettingError(
                "activations cannot have a scale a channel", where="Quantize", fix='use per="tensor" for them'
            )

    def requires(self) -> tuple[Need, ...]:
        """Training images, if the calibrator reads any; an example input otherwise."""
        return (Need.TASK,) if self.calibrator.reads_images else (Need.EXAMPLE,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Fold, observe, place quantizers."""
        graph, notes = self.folded(model, context)
        return self.built(graph, self.seen(graph, context), notes)

    def folded(self, model: nn.Module, context: Context) -> tuple[fx.GraphModule, tuple[Note, ...]]:
        """Return the traced model with batch normalisation folded, and notes of what could not be."""
        inputs = context.example_inputs()
        notes = tuple(note for note in fold_batch_norms(model, inputs, remember=True) if not note.applied)
        return trace(model, inputs), notes

    def seen(self, graph: fx.GraphModule, context: Context) -> Observed:
        """Return what the results of a folded graph are on the calibration images, or are expected to be."""
        return self.calibrator.observed(graph, context, self.images)

    def built(self, graph: fx.GraphModule, observed: Observed, notes: tuple[Note, ...] = ()) -> Change:
        """Make a folded and observed graph round, in place."""
        assert isinstance(self.weights, Linear)
        assert isinstance(self.activations, Linear)
        paths = computing_paths(graph)
        floats = self.floats(paths)
        formats = {path: self._format_of(path) for path in paths if path not in floats}
        count = insert_quantizers(graph, observed, self.activations, self.calibrator, floats)
        done = round_weights(graph, formats)
        kept = [Note(path, "stays float", applied=False) for path in floats]
        figures = {
            "layers_quantized": len(formats),
            "activations_quantized": count,
            "calibration_images": observed.images,
        }
        return Change(graph, (*notes, *done, *kept), figures)

    def _format_of(self, path: str) -> Linear:
        assert isinstance(self.weights, Linear)
        bits = self.bits_of.get(path, self.weights.bits)
        if bits == self.weights.bits:
            return self.weights
        if isinstance(self.weights, Int8):
            return Uniform(bits=bits, per=self.weights.per)
        return replace(self.weights, bits=bits)  # type: ignore[type-var]

    def floats(self, paths: list[str]) -> list[str]:
        """Return which of these layers stay float."""
        check_patterns((*self.skip, *self.bits_of), paths, "Quantize")
        ends = () if self.ends else (paths[:1] + paths[-1:])
        return [path for path in paths if path in ends or matches(path, self.skip)]

"""Put right what rounding shifts on average."""

from dataclasses import dataclass

from torch import Tensor, fx, nn

from lissome.compression.quantization.lockstep import channel_mean, images_of, in_lockstep
from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import trace
from lissome.core.outcome import Note
from lissome.core.step import Change, Step
from lissome.layers.fake_quantize import QuantizedConv2d, QuantizedLinear, is_quantized


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectBias(Step):
    """Add to each bias what the rounded layer lacks on average, channel by channel, on training images.

    Rounding weights and inputs shifts the mean of a channel; a bias can take that back at no cost. Layers are
    corrected in order, each on inputs that come from corrected layers.

    Args:
        images: Training images, ≥ 1, balanced over the classes. Default 128.
        quantize: How a network that does not round yet is quantized first; None leaves such a network alone.

    Raises:
        SettingError: `images` is below 1.

    Source:
        Nagel et al. 2019, Data-free quantization, arXiv:1906.04721, section 4.2 and appendix D (empirical).
    """

    images: int = 128
    quantize: Quantize | None = None

    def __post_init__(self) -> None:
        if self.images < 1:
            raise SettingError(f"images is {self.images}", where="CorrectBias", fix="choose at least 1")

    def requires(self) -> tuple[Need, ...]:
        """Training images."""
        return (Need.TASK,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Correct in the copy."""
        graph, before = rounding(model, self.quantize, context)
        if graph is None:
            return Change(model, before, {"biases_corrected": 0})
        notes: list[Note] = []

        def visit(
            path: str,
            layer: QuantizedConv2d | QuantizedLinear,
            inputs: list[Tensor],
            _: list[Tensor],
            wanted: list[Tensor],
        ) -> None:
            shift = channel_mean(wanted) - channel_mean([layer(one) for one in inputs])
            layer.bias = nn.Parameter(shift if layer.bias is None else layer.bias + shift)
            notes.append(Note(path, f"bias corrected by {float(shift.abs().mean()):.2e} on average"))

        in_lockstep(graph, images_of(context, self.images), visit)
        return Change(graph, (*before, *notes), {"biases_corrected": len(notes)})


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

"""Fine-tune a quantized network with its rounding in place."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import fx, nn

from lissome.compression.quantization.correct_bias import rounding
from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context, Need
from lissome.core.step import Change, Step
from lissome.layers.fake_quantize import FakeQuantize, without_quantization
from lissome.layers.learned_step import LearnedStep
from lissome.training.optimizers import SGD
from lissome.training.train import Train


def _training() -> Train:
    return Train(epochs=2, teacher="original", optimizer=SGD(learning_rate=0.001))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainQuantized(Step):
    """Quantization-aware training: the forward rounds as the engine will, the gradient passes straight through.

    Batch normalisation has been folded by `Quantize`, so its statistics are frozen. Weights move under their rounding;
    with `learn_steps` the scale of each activation is learned as well.

    Args:
        train: How to train. Default 2 epochs of SGD at a rate of 0.001 with momentum, beside the uncompressed network:
            where the context has none, this one without its rounding.
        learn_steps: Learn the scales of activations (LSQ).
        quantize: How a network that does not round yet is quantized first; None leaves such a network alone.

    Raises:
        SettingError: What `Train` refuses.

    Source:
        Jacob et al. 2018, arXiv:1712.05877, section 3; Esser et al. 2020, Learned step size quantization,
        arXiv:1902.08153, equation 3.
    """

    train: Train = field(default_factory=_training)
    learn_steps: bool = False
    quantize: Quantize | None = None

    def requires(self) -> tuple[Need, ...]:
        """What training requires; the original is at hand."""
        return tuple(need for need in self.train.requires() if need is not Need.ORIGINAL)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Train the copy."""
        graph, before = rounding(model, self.quantize, context)
        if graph is None:
            return Change(model, before, {})
        context = context.or_original(without_quantization(graph))
        if self.learn_steps:
            _swap(graph, FakeQuantize, LearnedStep.of)
        change = self.train.change(graph, context)
        if self.learn_steps:
            _swap(graph, LearnedStep, LearnedStep.fixed)
        return Change(graph.eval(), (*before, *change.notes), change.measurements)


def _swap(graph: fx.GraphModule, kind: type[nn.Module], made: Callable[[Any], nn.Module]) -> None:
    """Replace every layer of a kind, in place."""
    for name, layer in list(graph.named_modules()):
        if isinstance(layer, kind):
            owner, _, last = name.rpartition(".")
            setattr(graph.get_submodule(owner), last, made(layer))

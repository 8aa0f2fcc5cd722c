"""Train weights of one, two or a few bits: binary, ternary, powers of two."""

import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lissome.compression.quantization.formats import Binary, Format
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.outcome import Note
from lissome.core.patterns import check_patterns, matches
from lissome.core.step import Change, Step
from lissome.layers.sign import Sign
from lissome.training.optimizers import AdamW
from lissome.training.train import Train


def _training() -> Train:
    return Train(epochs=10, teacher="original", optimizer=AdamW(learning_rate=0.001))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainFewBits(Step):
    """Training with the weights rounded in each forward; the gradient passes straight through to the float weights.

    What comes out are plain layers whose weights are values of the format, which the artifact packs to its bits. An
    engine computes with them as floats; `runtimes.bit_kernels` has kernels that compute with the bits.

    Args:
        format: Binary, Ternary, Log2, or any other.
        inputs: Also let these layers read signs only, so that a product is one XNOR.
        ends: Round the first and the last layer too, which bear it worst.
        skip: Patterns of layer paths that stay as they are.
        train: How to train. Default 10 epochs of AdamW at a rate of 0.001 beside the uncompressed network: where the
            context has none, this one as it comes. Zeros and shared values of the start are not kept, since all weights
            must be free to change their sign.

    Measurements:
        Those of `Train`, and layers_rounded.

    Raises:
        SettingError: A pattern names no layer, or no layer is left to round.

    Source:
        Courbariaux et al. 2015, BinaryConnect, arXiv:1511.00363; Rastegari et al. 2016, XNOR-Net, arXiv:1603.05279,
        section 3.2; Bengio et al. 2013, arXiv:1308.3432 (straight through).
    """

    format: Format = field(default_factory=Binary)
    inputs: bool = False
    ends: bool = False
    skip: tuple[str, ...] = ()
    train: Train = field(default_factory=_training)

    def requires(self) -> tuple[Need, ...]:
        """What training requires; the original is at hand."""
        return tuple(need for need in self.train.requires() if need is not Need.ORIGINAL)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Train the copy; its class stays."""
        layers = {path: one for path, one in model.named_modules() if isinstance(one, nn.Conv2d | nn.Linear)}
        check_patterns(self.skip, layers, "TrainFewBits.skip")
        paths = [path for path in layers if not matches(path, self.skip)]
        chosen = paths if self.ends else [path for path in paths if path not in (*list(layers)[:1], *list(layers)[-1:])]
        if not chosen:
            raise SettingError("no layer is left to round", where="TrainFewBits", fix="set ends, or skip fewer")
        context = context.or_original(copy.deepcopy(model))
        for path in chosen:
            parametrize.register_parametrization(layers[path], "weight", _Rounded(self.format))
            if self.inputs:
                owner, _, name = path.rpartition(".")
                setattr(model.get_submodule(owner), name, nn.Sequential(Sign(), layers[path]))
        change = replace(self.train, keep_zeros=False, keep_shared=False).change(model, context)
        for layer in list(change.model.modules()):
            if parametrize.is_parametrized(layer, "weight"):
                parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
        notes = tuple(Note(path, self.format.describe()) for path in chosen)
        figures = {**change.measurements, "layers_rounded": len(chosen)}
        return Change(change.model.eval(), (*notes, *change.notes), figures)


class _Rounded(nn.Module):
    """Weights as a format has them; the gradient is that of the weights themselves."""

    def __init__(self, format: Format) -> None:
        super().__init__()
        self.format = format

    def forward(self, weight: Tensor) -> Tensor:
        with torch.no_grad():
            change = self.format.rounded(weight) - weight
        return weight + change

"""Make fully connected layers of circulant or Toeplitz blocks."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import run_once
from lissome.core.outcome import Note
from lissome.core.patterns import check_patterns, matches
from lissome.core.step import Change, Step
from lissome.layers.structured_linear import StructuredLinear
from lissome.profiling.profile import profile


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureLinear(Step):
    """Replace the weights of fully connected layers by blocks of structure: about 1/block of the numbers.

    A block starts as the nearest of its kind, which keeps little of a trained weight: the network must be trained
    afterwards. Layers stay whose objective would not become less.
    Every engine that runs grouped 1x1 convolutions runs the result.

    Args:
        block: Side of a block, ≥ 2.
        structure: "circulant" (b numbers a block) or "toeplitz" (2b - 1).
        objective: What must become less of a layer: "macs", or only "params".
        skip: Patterns of layer paths that stay.

    Measurements:
        params_before, params, macs_before, macs, and layers: for each its relative_error.

    Raises:
        SettingError: A value is out of its range, or a pattern of `skip` matches no layer.

    Source:
        Cheng et al. 2015, arXiv:1502.03436; Ding et al. 2017, arXiv:1708.08917. Nearest circulant: T. Chan 1988, SIAM
        J. Sci. Stat. Comput. 9(4).

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Linear(512, 256))
        >>> outcome = StructureLinear(block=32).apply(network, Context(example=torch.zeros(1, 512)))
        >>> outcome.measurements["params_before"], outcome.measurements["params"]
        (131328, 4608)
    """

    block: int = 16
    structure: Literal["circulant", "toeplitz"] = "circulant"
    objective: Literal["macs", "params"] = "macs"
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.block < 2:
            raise SettingError(f"block is {self.block}", where="StructureLinear", fix="choose at least 2")
        if self.structure not in ("circulant", "toeplitz"):
            raise SettingError(
                f"structure is {self.structure!r}", where="StructureLinear", fix='choose "circulant" or "toeplitz"'
            )
        if self.objective not in ("macs", "params"):
            raise SettingError(
                f"objective is {self.objective!r}", where="StructureLinear", fix='choose "macs" or "params"'
            )

    def requires(self) -> tuple[Need, ...]:
        """An example input."""
        return (Need.EXAMPLE,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Replace layers of the copy."""
        inputs = context.example_inputs()
        before = profile(model, inputs, batch=1)
        found = {path: one for path, one in model.named_modules() if type(one) is nn.Linear}
        check_patterns(self.skip, found, "StructureLinear.skip")
        notes, rows = [], []
        for path, layer in found.items():
            reason = "skipped" if matches(path, self.skip) else self._obstacle(layer)
            if reason:
                notes.append(Note(path, f"stays as it is: {reason}", applied=False))
                continue
            made = StructuredLinear.nearest(layer, self.block, self.structure).train(layer.training)
            error = float((made.dense() - layer.weight.detach()).norm() / layer.weight.detach().norm().clamp_min(1e-30))
            owner, _, name = path.rpartition(".")
            setattr(model.get_submodule(owner), name, made)
            rows.append({"layer": path, "relative_error": error})
            blocks = made.real.weight.numel() // made.frequencies
            notes.append(Note(path, f"{blocks:,} {self.structure} blocks of {self.block} x {self.block}"))
        run_once(model, inputs)
        after = profile(model, inputs, batch=1)
        return Change(
            model,
            tuple(notes) or (Note("", "there is no fully connected layer", applied=False),),
            {
                **before.change_to(after),
                "layers": rows,
            },
        )

    def _obstacle(self, layer: nn.Linear) -> str | None:
        reads, makes = layer.in_features, layer.out_features
        frequencies = (self.block if self.structure == "circulant" else 2 * self.block) // 2 + 1
        q, p = -(-reads // self.block), -(-makes // self.block)
        if 2 * frequencies * p * q >= reads * makes:
            return f"blocks of {self.block} would take no fewer parameters"
        macs = 2 * frequencies * (self.block * (p + q) + 2 * p * q)
        if self.objective == "macs" and macs >= reads * makes:
            return f"blocks of {self.block} would take no fewer multiply-adds"
        return None

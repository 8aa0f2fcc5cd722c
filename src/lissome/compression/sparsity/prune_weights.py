"""Set the smallest weights to zero, one by one, N of M, or in blocks."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from lissome.compression.sparsity.pattern import UNSTRUCTURED, Pattern, parse_pattern
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import run_once
from lissome.core.outcome import Note, Outcome
from lissome.core.patterns import check_patterns, matches
from lissome.core.recipe import Recipe, apply_as, tuned_measurements
from lissome.core.step import Change, Step
from lissome.training.train import Train


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneWeights(Step):
    """Set the weights of the smallest magnitude to zero. The shapes stay.

    The artifact stores zeros in next to no space; hardly an engine computes faster for them (docs/sparsity.md). `Train`
    keeps them zero.

    Args:
        sparsity: Share of zeros in each pruned layer ("local") or in all of them together ("global"), (0, 1). N:M says
            it itself, so there it is None.
        pattern: "unstructured"; N:M, such as "2:4": of 4 neighbouring input channels 2 stay; or blocks, such as "4x1":
            4 output channels of 1 input channel are zero together, at each position of the kernel.
        scope: "local": the same share in every layer; "global": one threshold for the whole network.
        ends: Prune the first and the last layer too, which hold few weights and bear it worst.
        skip: Patterns of layer paths that stay whole.
        rounds: Pruned in so many rounds, ≥ 1, to the share sparsity · (1 - (1 - t / rounds)³) in round t.
        between: The training after each round; needed for more than one.

    Measurements:
        params, zeros, sparsity (zeros / params of the network), and layers, the share of zeros of each pruned one.

    Raises:
        SettingError: A value is out of its range, or a pattern of `skip` matches no layer, or nothing can be pruned.

    Source:
        Magnitude: Han et al. 2015, arXiv:1506.02626. Rounds: Zhu and Gupta 2017, arXiv:1710.01878, equation 1. N:M:
        Mishra et al. 2021, arXiv:2104.08378.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8, bias=False), nn.Linear(8, 2))
        >>> outcome = PruneWeights(pattern="2:4").apply(network, Context(example=torch.zeros(1, 4)))
        >>> int((outcome.model[1].weight == 0).sum()), outcome.notes[0].reason
        (32, '32 of 64 weights are zero')
    """

    sparsity: float | None = None
    pattern: str = UNSTRUCTURED
    scope: Literal["local", "global"] = "local"
    ends: bool = False
    skip: tuple[str, ...] = ()
    rounds: int = 1
    between: Train | None = None

    def __post_init__(self) -> None:
        own = parse_pattern(self.pattern).sparsity
        if own is not None and (self.sparsity is not None or self.rounds > 1 or self.scope != "local"):
            raise SettingError(
                f"{self.pattern} says the share itself, in every layer, at once",
                where="PruneWeights",
                fix="leave out sparsity, scope and rounds",
            )
        if own is None and (self.sparsity is None or not 0 < self.sparsity < 1):
            raise SettingError(f"sparsity is {self.sparsity}", where="PruneWeights", fix="choose a value in (0, 1)")
        if self.scope not in ("local", "global"):
            raise SettingError(f"scope is {self.scope!r}", where="PruneWeights", fix='choose "local" or "global"')
        if self.rounds < 1 or (self.rounds > 1 and self.between is None):
            raise SettingError(
                f"rounds is {self.rounds}", where="PruneWeights", fix="choose 1, or more with a training between"
            )

    def requires(self) -> tuple[Need, ...]:
        """Return EXAMPLE, to see which layer is first, and what the training between needs."""
        return (Need.EXAMPLE, *Recipe(self.between).requires()) if self.between else (Need.EXAMPLE,)

    def steps(self) -> tuple[Step, ...]:
        """Return the rounds and trainings in order; the step itself where it trains nothing between.

        Example:
            >>> gradual = PruneWeights(sparsity=0.5, rounds=2, between=Train(epochs=1))
            >>> [one.sparsity for one in gradual.steps()[::2]]
            [0.4375, 0.5]
        """
        if self.between is None:
            return (self,)
        steps: list[Step] = []
        for number in range(1, self.rounds + 1):
            share = None if self.sparsity is None else self.sparsity * (1 - (1 - number / self.rounds) ** 3)
            steps += [replace(self, sparsity=share, rounds=1, between=None), self.between]
        return tuple(steps)

    def apply(self, model: nn.Module, context: Context) -> Outcome:
        """Prune; with a training between as a recipe of rounds, each kept in the context's memory.

        Raises:
            SettingError: As above, or the context lacks something.
        """
        if self.between is None:
            return Step.apply(self, model, context)
        return apply_as(self, self.steps(), model, context, tuned_measurements)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Choose and set to zero in the copy."""
        pattern = parse_pattern(self.pattern)
        layers, declined = self._layers(model, context, pattern)
        if not layers:
            raise SettingError(
                "no layer can be pruned", where="PruneWeights", fix="choose another pattern, or set ends=True"
            )
        masks = self._masks(layers, pattern)
        notes, shares = [], {}
        with torch.no_grad():
            for path, layer in layers.items():
                layer.weight.masked_fill_(~masks[path], 0.0)  # a product would leave -0.0, which has a bit set
                zeros, total = int((layer.weight == 0).sum()), layer.weight.numel()
                shares[path] = zeros / total
                notes.append(Note(path, f"{zeros:,} of {total:,} weights are zero"))
        params = sum(one.numel() for one in model.parameters())
        zeros = sum(int((one == 0).sum()) for one in model.parameters())
        figures = {"params": params, "zeros": zeros, "sparsity": zeros / params, "layers": shares}
        return Change(model, (*notes, *declined), figures)

    def _layers(
        self, model: nn.Module, context: Context, pattern: Pattern
    ) -> tuple[dict[str, _ConvNd | nn.Linear], list[Note]]:
        """Return the layers to prune by their path, and notes of those that stay whole."""
        called = _in_order_of_call(model, context.example_inputs())
        check_patterns(self.skip, called, "PruneWeights.skip")
        chosen, declined = {}, []
        seen: set[int] = set()
        for place, (path, layer) in enumerate(called.items()):
            if matches(path, self.skip):
                reason: str | None = "skipped"
            elif not self.ends and place in (0, len(called) - 1):
                reason = "the first layer" if place == 0 else "the last layer"
            else:
                reason = "its weights are those of another layer" if id(layer.weight) in seen else _obstacle(layer)
                reason = reason or pattern.obstacle(layer.weight)
            if reason:
                declined.append(Note(path, f"stays whole: {reason}", applied=False))
            else:
                chosen[path] = layer
                seen.add(id(layer.weight))
        return chosen, declined

    def _masks(self, layers: dict[str, _ConvNd | nn.Linear], pattern: Pattern) -> dict[str, Tensor]:
        if pattern.keep:
            return {path: pattern.largest_of(layer.weight) for path, layer in layers.items()}
        assert self.sparsity is not None
        magnitudes = {path: pattern.magnitudes(layer.weight) for path, layer in layers.items()}
        if self.scope == "global":
            kept = _all_but_smallest(torch.cat([one.flatten() for one in magnitudes.values()]), self.sparsity)
            parts = torch.split(kept, [one.numel() for one in magnitudes.values()])
        else:
            parts = tuple(_all_but_smallest(one.flatten(), self.sparsity) for one in magnitudes.values())
        masks = {}
        for (path, one), part in zip(magnitudes.items(), parts, strict=True):
            part[one.flatten().argmax()] = True  # a layer of nothing but zeros would end the network
            masks[path] = pattern.mask_of(part.view(one.shape), layers[path].weight)
        return masks


def _all_but_smallest(magnitudes: Tensor, share: float) -> Tensor:
    kept = torch.ones(len(magnitudes), dtype=torch.bool)
    kept[magnitudes.argsort(stable=True)[: round(share * len(magnitudes))]] = False
    return kept


def _obstacle(layer: _ConvNd | nn.Linear) -> str | None:
    if isinstance(layer, _ConvTransposeNd):
        return "transposed convolutions are left alone"
    if isinstance(layer, _ConvNd) and layer.groups > 1 and layer.weight.shape[1] == 1:
        return "depthwise, a handful of weights a channel"
    return None


def _in_order_of_call(model: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, _ConvNd | nn.Linear]:
    """Return convolutions and linear layers by their path, in the order in which an example passes them."""
    paths = {layer: path for path, layer in model.named_modules() if isinstance(layer, _ConvNd | nn.Linear)}
    called: dict[str, _ConvNd | nn.Linear] = {}

    def note(layer: nn.Module, *_: object) -> None:
        assert isinstance(layer, _ConvNd | nn.Linear)
        called[paths[layer]] = layer

    hooks = [layer.register_forward_hook(note) for layer in paths]
    try:
        run_once(model, inputs)
    finally:
        for one in hooks:
            one.remove()
    return called

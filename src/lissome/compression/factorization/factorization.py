"""What factorizing linear layers and convolutions have in common."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from lissome.compression.factorization.candidate import (
    Candidate,
    Method,
    Option,
    built,
    candidate,
    eligible,
    errors,
    pieces_of,
)
from lissome.compression.factorization.decomposition import fitted
from lissome.compression.factorization.piece import Piece
from lissome.compression.factorization.ranks import CostShare, Energy, Vbmf
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import run_once
from lissome.core.outcome import Note
from lissome.core.patterns import check_patterns
from lissome.core.step import Change
from lissome.profiling.latency_table import LatencyTable, structure_key
from lissome.profiling.layer_kinds import kinds_in
from lissome.profiling.profile import Profile, profile
from lissome.tracing.patches import grams


@dataclass(frozen=True, slots=True, kw_only=True)
class Factorization:
    """Settings of a factorization.

    Args:
        ranks: `Energy`, `Vbmf` or `CostShare`.
        objective: What must become less, of each layer by itself: "macs", or a table of measured times.
        multiple_of: Ranks are multiples of this, ≥ 1.
        images: Training images on which the outputs are brought near; 0 brings the weights near.
        skip: Patterns of layer paths that stay.
    """

    ranks: Energy | Vbmf | CostShare = field(default_factory=Energy)
    objective: Literal["macs"] | LatencyTable = "macs"
    multiple_of: int = 8
    images: int = 0
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = type(self).__name__
        if not isinstance(self.objective, LatencyTable) and self.objective != "macs":
            raise SettingError(f"objective is {self.objective!r}", where=where, fix='choose "macs" or a LatencyTable')
        if self.multiple_of < 1:
            raise SettingError(f"multiple_of is {self.multiple_of}", where=where, fix="choose at least 1")
        if self.images < 0:
            raise SettingError(f"images is {self.images}", where=where, fix="choose 0 or more")

    def requires(self) -> tuple[Need, ...]:
        """An example input; training images where outputs are to be brought near."""
        return (Need.EXAMPLE, Need.TASK) if self.images else (Need.EXAMPLE,)

    def pieces(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Iterator[Piece]:
        """Yield every layer that this could make of a network, and those that it would replace, to measure them."""
        method, kind = self._target()
        layers, _ = eligible(model, profile(model, inputs, batch=1), kind, self.skip)
        for path, kinds in layers.items():
            layer = model.get_submodule(path)
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            found = candidate(path, layer, kinds, method, "macs", multiple_of=self.multiple_of)
            makes, reads = layer.weight.shape[:2]
            yield from (Piece(one, reads, makes) for one in kinds)
            for option in found.options:
                yield from pieces_of(kinds, found.decomposition, option.ranks)

    def factorized(self, model: nn.Module, context: Context) -> Change:
        """Choose ranks, split the layers of the copy, and check that the outputs keep their shapes."""
        inputs = context.example_inputs()
        run_once(model, inputs)
        before = profile(model, inputs, batch=1)
        candidates, notes = self._candidates(model, before, context)
        network = _network_cost(model, before, self.objective)
        chosen = self.ranks.choose(candidates, network, self.objective, self.multiple_of)
        unit = "ms" if isinstance(self.objective, LatencyTable) else "MACs"
        rows, saved = [], 0.0
        for one in candidates:
            choice = chosen[one.path]
            if isinstance(choice, str):
                notes.append(Note(one.path, f"stays as it is: {choice}", applied=False))
                continue
            row = _replaced(model, one, choice)
            rows.append({"unit": unit, **row})
            saved += one.cost - choice.cost
            ranks = " and ".join(map(str, choice.ranks))
            notes.append(Note(one.path, f"rank {ranks}: {one.cost:.4g} {unit} become {choice.cost:.4g}"))
            context.progress.say(f"{one.path}: rank {ranks}")
        run_once(model, inputs)
        after = profile(model, inputs, batch=1)
        return Change(
            model,
            tuple(notes) or (Note("", "there is no such layer", applied=False),),
            {
                **before.change_to(after),
                "unit": unit,
                "predicted_before": network,
                "predicted": network - saved,
                "layers": rows,
            },
        )

    @abstractmethod
    def _target(self) -> tuple[Method, type[nn.Module]]:
        """Return how weights are split, and the class of the layers whose they are."""

    def _candidates(self, model: nn.Module, cost: Profile, context: Context) -> tuple[list[Candidate], list[Note]]:
        method, kind = self._target()
        layers, notes = eligible(model, cost, kind, self.skip)
        paths = [path for path, one in model.named_modules() if type(one) is kind]
        check_patterns(self.skip, paths, f"{type(self).__name__}.skip")
        products: Mapping[str, Tensor] = {}
        if self.images:
            products = grams(model, layers, context, self.images, "factorization")
        found = []
        for path, kinds in layers.items():
            layer = model.get_submodule(path)
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            found.append(
                candidate(
                    *(path, layer, kinds, method, self.objective), multiple_of=self.multiple_of, gram=products.get(path)
                )
            )
        return found, notes


def _network_cost(model: nn.Module, cost: Profile, objective: Literal["macs"] | LatencyTable) -> float:
    if not isinstance(objective, LatencyTable):
        return float(cost.macs)
    known = sum(objective.lookup(kind, reads, makes) for _, kind, reads, makes in kinds_in(model, cost))
    return max(known, objective.times().networks.get(structure_key(model, cost), 0.0))


def _replaced(model: nn.Module, one: Candidate, choice: Option) -> dict[str, Any]:
    """Put the layers in a layer's place, and return what that did."""
    layer = model.get_submodule(one.path)
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    decomposition = one.decomposition
    weights = decomposition.weights(choice.ranks)
    basis = decomposition.basis(weights)
    if decomposition.gram is not None:
        weights = (*weights[:-1], fitted(weights[-1], basis, decomposition.flat, decomposition.gram))
    weight_error, output_error = errors(one, weights, basis)
    owner, _, name = one.path.rpartition(".")
    setattr(model.get_submodule(owner), name, built(one, layer, weights, choice.ranks))
    return {
        "layer": one.path,
        "ranks": list(choice.ranks),
        "before": one.cost,
        "after": choice.cost,
        "relative_error": weight_error,
        **({} if output_error is None else {"relative_output_error": output_error}),
    }

"""A layer that could be factorized: what it costs, and what each choice of ranks would."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lissome.compression.factorization.canonical import Canonical
from lissome.compression.factorization.decomposition import Decomposition, Ranks
from lissome.compression.factorization.piece import Objective, Piece, cost_of
from lissome.compression.factorization.singular_values import Channel, Spatial
from lissome.compression.factorization.tucker import Tucker
from lissome.core.outcome import Note
from lissome.core.patterns import matches
from lissome.profiling.layer_kinds import LayerKind, kinds_in
from lissome.profiling.profile import Profile
from lissome.tracing.patches import obstacle

Method = Literal["channel", "spatial", "tucker", "cp"]

METHODS: Mapping[str, Callable[[Tensor, Tensor | None], Decomposition]] = {
    "channel": Channel,
    "spatial": Spatial,
    "tucker": Tucker,
    "cp": Canonical,
}


@dataclass(frozen=True, slots=True)
class Option:
    """Ranks that a layer may take, and what it would cost with them."""

    ranks: Ranks
    cost: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A layer, the ways to write its weight, and what those cost.

    Args:
        path: Of the layer.
        kinds: One a call of it.
        decomposition: Of the weight.
        cost: Of the layer as it is.
        options: Those ranks that cost less, the cheapest first.
    """

    path: str
    kinds: tuple[LayerKind, ...]
    decomposition: Decomposition
    cost: float
    options: tuple[Option, ...]


def pieces_of(kinds: Sequence[LayerKind], decomposition: Decomposition, ranks: Ranks) -> Iterator[Piece]:
    """Yield the layers that some ranks make, of every call."""
    for kind in kinds:
        yield from decomposition.pieces(kind, ranks)


def eligible(
    model: nn.Module, cost: Profile, kind: type[nn.Module], skip: Sequence[str]
) -> tuple[dict[str, tuple[LayerKind, ...]], list[Note]]:
    """Return the layers of a class that can be factorized, with the kind of each call, and notes of the others.

    Args:
        model: The network.
        cost: Its profile.
        kind: `torch.nn.Conv2d` or `torch.nn.Linear`.
        skip: Patterns of layer paths that stay.
    """
    calls: dict[str, list[LayerKind]] = {}
    for row, one, _, _ in kinds_in(model, cost):
        calls.setdefault(row.layer, []).append(one)
    owners: dict[int, list[str]] = {}
    for path, layer in model.named_modules(remove_duplicate=False):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            owners.setdefault(id(layer.weight), []).append(path)
    found, notes = {}, []
    for path, layer in model.named_modules():
        if type(layer) is kind:
            reason = "skipped" if matches(path, skip) else obstacle(layer)
            if reason is None and len(owners[id(layer.weight)]) > 1:
                reason = "its weights are those of another layer"
            if reason is None and path not in calls:
                reason = "it is not called, or by other shapes than a table knows"
            if reason is None:
                found[path] = tuple(calls[path])
            else:
                notes.append(Note(path, f"stays as it is: {reason}", applied=False))
    return found, notes


def option_of(
    kinds: Sequence[LayerKind], decomposition: Decomposition, ranks: Ranks, objective: Objective
) -> Option | None:
    """Return what some ranks cost; None where they compute no less than the layer, which no engine is quicker by."""
    makes, reads = decomposition.weight.shape[:2]
    pieces = [*pieces_of(kinds, decomposition, ranks)]
    if cost_of(pieces, "macs") >= cost_of((Piece(kind, reads, makes) for kind in kinds), "macs"):
        return None
    return Option(ranks, cost_of(pieces, objective))


def candidate(
    path: str,
    layer: nn.Conv2d | nn.Linear,
    kinds: tuple[LayerKind, ...],
    method: Method,
    objective: Objective,
    *,
    multiple_of: int,
    gram: Tensor | None = None,
) -> Candidate:
    """Return a layer with the ranks at which it costs less than it does."""
    weight = layer.weight.detach().double()
    weight = weight[:, :, None, None] if isinstance(layer, nn.Linear) else weight
    decomposition = METHODS[method](weight, None if gram is None else gram.double())
    makes, reads = weight.shape[:2]
    whole = cost_of((Piece(kind, reads, makes) for kind in kinds), objective)
    options = (option_of(kinds, decomposition, ranks, objective) for ranks in decomposition.grid(multiple_of))
    paying = sorted((one for one in options if one and one.cost < whole), key=lambda one: (one.cost, one.ranks))
    return Candidate(path, kinds, decomposition, whole, tuple(paying))


def built(candidate: Candidate, layer: nn.Conv2d | nn.Linear, weights: Sequence[Tensor], ranks: Ranks) -> nn.Sequential:
    """Return the layers that stand for one, the bias in the last."""
    pieces = candidate.decomposition.pieces(candidate.kinds[0], ranks)
    layers = []
    for place, (piece, weight) in enumerate(zip(pieces, weights, strict=True)):
        with torch.device("meta"):  # no weights are drawn only to be replaced
            made = piece.kind.build(piece.reads, piece.makes)
        assert isinstance(made, nn.Conv2d | nn.Linear)
        made.weight = nn.Parameter(weight.reshape(made.weight.shape).to(layer.weight.dtype).contiguous())
        made.bias = None
        if place == len(pieces) - 1 and layer.bias is not None:
            made.bias = nn.Parameter(layer.bias.detach().clone())
        made.requires_grad_(layer.weight.requires_grad)
        layers.append(made)
    return nn.Sequential(*layers).train(layer.training)


def errors(candidate: Candidate, weights: Sequence[Tensor], basis: Tensor) -> tuple[float, float | None]:
    """Return the relative error of the weight, and of the outputs where it is known what the layer reads."""
    decomposition = candidate.decomposition
    difference = decomposition.flat - weights[-1].flatten(1) @ basis
    whole = decomposition.flat.norm()
    relative = float(difference.norm() / whole) if whole else 0.0
    if decomposition.gram is None:
        return relative, None
    read, made = (torch.sum((one @ decomposition.gram) * one).clamp_min(0) for one in (difference, decomposition.flat))
    return relative, float((read / made).sqrt()) if made else 0.0

"""Which calls of the source network each layer of an engine stands for.

An engine fuses: one of its layers may compute a convolution, its normalisation, the sum behind it and the activation.
Two kinds of evidence say which call a layer *ends* or *begins* with: names (onnxruntime keeps those of the calls, see
`source_graph`) and values (ncnn's layers are known by what they compute). What neither finds was fused, and is given to
the layer that must have done it, by the flow of data.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lissome.exporting.symmetric_integers import LEVELS
from lissome.runtimes.layer_clock import EngineLayer
from lissome.runtimes.protocol import Array
from lissome.timing.source_graph import Call, number_in

_SAME = 1e-3
"""Engines sum in another order: 1e-6 … 1e-4 of the largest value. Other tensors differ by much more."""

_COPIES = ("Split",)  # layers that an engine puts in to hand one tensor to several readers
_HEAVY = ("Conv", "Gemm", "MatMul", "InnerProduct")
_HEAVY_CALLS = ("conv", "linear", "matmul", "bmm")


@dataclass(frozen=True, slots=True)
class Match:
    """One layer of the engine, and the call that is known to be in it.

    Args:
        layer: Number of the engine's layer.
        call: Number of the call.
        is_last: Whether all that the engine's layer computes ends in this call.
    """

    layer: int
    call: int
    is_last: bool


def match_names(
    layers: Sequence[EngineLayer], calls: Sequence[Call], output_calls: Sequence[int | None] = ()
) -> list[Match]:
    """Match by the numbers in the engine's names.

    Args:
        layers: The engine's layers.
        calls: The source network.
        output_calls: The calls that make its outputs.

    Example:
        >>> calls = [Call("0", "Conv2d", ()), Call("1", "ReLU", (0,))]
        >>> match_names([EngineLayer("/call_1/Relu_output_0_nchwc", "Conv")], calls)
        [Match(layer=0, call=1, is_last=True)]
    """
    found = []
    for place, layer in enumerate(layers):
        number = number_in(layer.name, output_calls)
        if number is not None and number < len(calls):
            # A convolution that bears the name of an activation computes what lies before that activation, too.
            is_heavy = any(word in layer.operator for word in _HEAVY)
            found.append(Match(place, number, is_last=is_heavy and not _is_heavy(calls[number])))
    return found


def match_values(
    layers: Sequence[EngineLayer],
    values: Sequence[Array],
    made: Mapping[int, Array],
    calls: Sequence[Call],
    *,
    are_rounded: bool = False,
) -> list[Match]:
    """Match each layer of the engine with a call, not yet taken, that makes the same numbers.

    Where several calls in a row make the same numbers (a normalisation that does nothing yet), the layer gets them all,
    unless another layer of the engine stands for one of them.

    Args:
        layers: The engine's layers.
        values: What each of them makes.
        made: What each call makes.
        calls: The source network.
        are_rounded: Whether the engine computes with integers: then a tensor is known by its direction, for rounding
            errors add up, and what is stored as integers has another scale.

    Example:
        >>> chain = [Call("conv", "Conv2d", ()), Call("bn", "BatchNorm2d", (0,))]
        >>> match_values([EngineLayer("a", "Convolution")], [np.ones(4)], {0: np.ones(4), 1: np.ones(4)}, chain)
        [Match(layer=0, call=1, is_last=True)]
    """
    rule = _ROUNDED if are_rounded else _FLOAT
    flat = {number: np.ravel(one) for number, one in made.items()}
    taken: dict[int, int] = {}
    for place, (layer, value) in enumerate(zip(layers, values, strict=True)):
        if layer.operator not in _COPIES:
            number = rule.nearest(np.ravel(value), {one: other for one, other in flat.items() if one not in taken})
            if number is not None:
                taken[number] = place
    readers = _readers(calls)
    matches = []
    for number, place in taken.items():
        last = number
        while same := [
            one
            for one in readers[last]
            if one in flat and one not in taken and rule.distance(flat[last], flat[one]) <= rule.same
        ]:
            last = same[0]
        matches.append(Match(place, last, is_last=True))
    return matches


@dataclass(frozen=True, slots=True)
class _Likeness:
    """How tensors are told to be the same.

    Args:
        distance: Of two tensors; infinite where they cannot be the same.
        same: Closer than this they are the same, and the first counts.
        limit: Farther than this they are not.
    """

    distance: Callable[[Array, Array], float]
    same: float
    limit: float

    def nearest(self, value: Array, others: Mapping[int, Array]) -> int | None:
        """Return the first of those that are as near as the nearest, to within a factor of 2."""
        distances = {number: self.distance(value, other) for number, other in others.items()}
        least = min(distances.values(), default=np.inf)
        if least > self.limit:
            return None
        return next(number for number, one in distances.items() if one <= max(2 * least, self.same))


def _largest_difference(ours: Array, theirs: Array) -> float:
    if ours.size != theirs.size:
        return np.inf
    largest = float(np.abs(theirs).max(initial=0.0))
    difference = float(np.abs(ours - theirs).max(initial=0.0))
    return difference / largest if largest else difference


def _turn(ours: Array, theirs: Array) -> float:
    """Return 1 minus the cosine."""
    if ours.size != theirs.size:
        return np.inf
    lengths = float(np.linalg.norm(ours)) * float(np.linalg.norm(theirs))
    return 1 - float(ours @ theirs) / lengths if lengths else np.inf


def _turn_of_stored(ours: Array, theirs: Array) -> float:
    """Return 1 minus the cosine, of integers also as what they mean where ncnn's files store them upside down."""
    turn = _turn(ours, theirs)
    return min(turn, _turn(LEVELS - ours, theirs)) if (ours == np.rint(ours)).all() else turn


_FLOAT = _Likeness(_largest_difference, same=_SAME, limit=_SAME)
# Seen in a trained ResNet-20: the same tensors 3e-5 … 4e-3, a sum and its activation 0.036 and more.
_ROUNDED = _Likeness(_turn_of_stored, same=2e-3, limit=0.03)


def attribute(matches: Sequence[Match], calls: Sequence[Call]) -> dict[int, int]:
    """Return the engine's layer of each call; calls that no layer can have computed are left out.

    What lies before a last call, up to calls with a layer of their own, belongs to its layer. What then is left was
    applied to a layer's result and belongs to the latest of the layers it reads; padding belongs to what reads it.

    Args:
        matches: What is known; the first match of a call counts.
        calls: The source network.

    Example:
        >>> chain = [Call("conv", "Conv2d", ()), Call("bn", "BatchNorm2d", (0,)), Call("relu", "ReLU", (1,))]
        >>> attribute([Match(0, 2, is_last=True)], chain)
        {2: 0, 1: 0, 0: 0}
        >>> attribute([Match(0, 0, is_last=False)], chain)
        {0: 0, 1: 0, 2: 0}
    """
    owners: dict[int, int] = {}
    for match in matches:
        owners.setdefault(match.call, match.layer)
    for match in sorted(matches, key=lambda one: one.layer):
        if match.is_last and owners[match.call] == match.layer:
            _claim_before(match, calls, owners)
    readers = _readers(calls)
    for number in reversed(range(len(calls))):
        if number not in owners and calls[number].kind.lower().endswith(("pad", "pad2d")):
            _give(number, readers[number], owners, first=True)
    for number, call in enumerate(calls):
        if number not in owners:
            _give(number, call.inputs, owners, first=False)
    for number in reversed(range(len(calls))):  # what the network begins with has no layer before it
        if number not in owners:
            _give(number, readers[number], owners, first=True)
    return owners


def _claim_before(match: Match, calls: Sequence[Call], owners: dict[int, int]) -> None:
    waiting = list(calls[match.call].inputs)
    while waiting:
        number = waiting.pop()
        if number in owners:
            continue
        owners[number] = match.layer
        if not _is_heavy(calls[number]):  # no engine fuses two convolutions into one layer
            waiting += calls[number].inputs


def _give(number: int, others: Sequence[int], owners: dict[int, int], *, first: bool) -> None:
    layers = [owners[one] for one in others if one in owners]
    if layers:
        owners[number] = min(layers) if first else max(layers)


def _readers(calls: Sequence[Call]) -> list[list[int]]:
    readers: list[list[int]] = [[] for _ in calls]
    for number, call in enumerate(calls):
        for one in call.inputs:
            readers[one].append(number)
    return readers


def _is_heavy(call: Call) -> bool:
    return any(word in call.kind.lower() for word in _HEAVY_CALLS)

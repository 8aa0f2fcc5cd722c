"""Put activations back together that an exporter wrote as arithmetic, where the opset has them as operators.

Source:
    Howard et al. 2019, arXiv:1905.02244, section 5.2 (hard-swish); Misra 2019, arXiv:1908.08681 (Mish); Hendrycks and
    Gimpel 2016, arXiv:1606.08415 (GELU).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal

_SINCE: Mapping[str, int] = {"HardSigmoid": 7, "HardSwish": 14, "Mish": 18, "Gelu": 20, "Swish": 24}
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Restored:
    """An operator that does what a few nodes do.

    Args:
        op: The operator.
        source: What it reads.
        attributes: Its settings.
    """

    op: str
    source: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


class RestoreActivations(Pass[Restored]):
    """Replace arithmetic by the activation that it is."""

    purpose: ClassVar[str] = "put activations back together that were written as arithmetic"
    algebra: ClassVar[str] = "x·clip(x + 3, 0, 6)/6 = hardswish(x); x·tanh(log(1 + eˣ)) = mish(x)"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Restored | Refusal | None:
        """The arithmetic is that of an activation, and the opset has it."""
        found = _hard_sigmoid(graph, node) or _product(graph, node)
        if found is None:
            return None
        if graph.opset < _SINCE[found.op]:
            return Refusal(f"is {found.op}, which opset {graph.opset} does not have (since {_SINCE[found.op]})")
        if graph.shapes.type(found.source) != 1:
            return Refusal(f"is {found.op}, but not surely of float32")
        return found

    def rewrite(self, graph: Graph, node: Node, match: Restored) -> str:
        """One node takes the place; what nobody reads any more goes later."""
        made = graph.make(match.op, [match.source], **match.attributes)
        graph.replace(node.output, node, made.output)
        return f"is {match.op}"


def _number(graph: Graph, name: str) -> float | None:
    value = graph.constant(name) if graph.is_constant(name) else None
    return float(value.reshape(-1)[0]) if value is not None and value.size == 1 and value.dtype.kind == "f" else None


def _near(value: float | None, expected: float) -> bool:
    return value is not None and math.isclose(value, expected, rel_tol=_TOLERANCE, abs_tol=1e-9)


def _factors(graph: Graph, name: str) -> tuple[list[str], float]:
    """Return the tensors and the number that a chain of Mul and Div multiplies."""
    node = graph.maker(name)
    if node is None or node.op not in ("Mul", "Div") or not node.standard:
        return [name], 1.0
    left, right = node.inputs
    number = _number(graph, right)
    if node.op == "Div":
        return ([name], 1.0) if not number else _scaled(_factors(graph, left), 1 / number)
    if number is not None:
        return _scaled(_factors(graph, left), number)
    other = _number(graph, left)
    if other is not None:
        return _scaled(_factors(graph, right), other)
    (some, first), (more, second) = _factors(graph, left), _factors(graph, right)
    return [*some, *more], first * second


def _scaled(found: tuple[list[str], float], number: float) -> tuple[list[str], float]:
    return found[0], found[1] * number


def _clipped(graph: Graph, name: str) -> str | None:
    """Return x if a tensor is clip(x + 3, 0, 6)."""
    clip = graph.maker(name)
    if clip is None or clip.op != "Clip":
        return None
    low = clip.get("min") if graph.opset < 11 else _number(graph, clip.input(1))
    high = clip.get("max") if graph.opset < 11 else _number(graph, clip.input(2))
    added = graph.maker(clip.input(0))
    if low != 0 or not _near(high, 6.0) or added is None or added.op != "Add":
        return None
    for place in (0, 1):
        if _near(_number(graph, added.inputs[place]), 3.0):
            return added.inputs[1 - place]
    return None


def _hard_sigmoid(graph: Graph, node: Node) -> Restored | None:
    if node.op not in ("Mul", "Div"):
        return None
    tensors, number = _factors(graph, node.output)
    source = _clipped(graph, tensors[0]) if len(tensors) == 1 else None
    fits = source is not None and _near(number, 1 / 6)
    return Restored("HardSigmoid", source or "", {"alpha": 1 / 6, "beta": 0.5}) if fits else None


def _product(graph: Graph, node: Node) -> Restored | None:
    """Return the activation that is x times a function of x."""
    if node.op not in ("Mul", "Div"):
        return None
    tensors, number = _factors(graph, node.output)
    if len(tensors) != 2:
        return None
    for source, other in (tensors, tensors[::-1]):
        for op, factor, is_function in _FUNCTIONS:
            made = graph.maker(other)
            if made is not None and _near(number, factor) and is_function(graph, made, source):
                return Restored(op, source)
    return None


def _is_clipped(graph: Graph, node: Node, source: str) -> bool:
    return _clipped(graph, node.output) == source


def _is_hard_sigmoid(_graph: Graph, node: Node, source: str) -> bool:
    fits = _near(node.get("alpha", 0.2), 1 / 6) and _near(node.get("beta", 0.5), 0.5)
    return node.op == "HardSigmoid" and node.input(0) == source and fits


def _is_tanh_of_softplus(graph: Graph, node: Node, source: str) -> bool:
    inner = graph.maker(node.input(0))
    return node.op == "Tanh" and inner is not None and inner.op == "Softplus" and inner.input(0) == source


def _is_sigmoid(_graph: Graph, node: Node, source: str) -> bool:
    return node.op == "Sigmoid" and node.input(0) == source


def _is_one_plus_erf(graph: Graph, node: Node, source: str) -> bool:
    if node.op != "Add":
        return False
    for place in (0, 1):
        erf = graph.maker(node.inputs[1 - place])
        if _near(_number(graph, node.inputs[place]), 1.0) and erf is not None and erf.op == "Erf":
            tensors, number = _factors(graph, erf.input(0))
            return tensors == [source] and _near(number, math.sqrt(0.5))
    return False


_FUNCTIONS: tuple[tuple[str, float, Callable[[Graph, Node, str], bool]], ...] = (
    ("HardSwish", 1.0, _is_hard_sigmoid),
    ("HardSwish", 1 / 6, _is_clipped),
    ("Mish", 1.0, _is_tanh_of_softplus),
    ("Swish", 1.0, _is_sigmoid),
    ("Gelu", 0.5, _is_one_plus_erf),
)
"""Activation, the number its product is multiplied by, and what its other factor must be."""

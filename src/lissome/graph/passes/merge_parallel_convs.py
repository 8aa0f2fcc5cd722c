"""Horizontal fusion: make one convolution of several that read the same tensor.

Their weights are stacked. Where all results are joined by one concatenation anyway, its part goes as well; elsewhere
the result is split, which an engine must be able to do for nothing, or the copy costs more than the fusion gains.

Source:
    What TensorRT calls horizontal layer fusion; for the arithmetic see Szegedy et al. 2014, arXiv:1409.4842, figure 2.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from lissome.graph.convolution import Convolution, read_convolution, write_convolution
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.free_channels import ELEMENTWISE
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.parts import split_channels
from lissome.graph.rewrite import Pass, Refusal
from lissome.graph.window_rules import Window

MOST_MACS = 1.05
"""Times as many multiply-adds as before that padding kernels to one size may cost."""


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """A convolution and the activation that is its only reader, if there is one.

    Args:
        conv: The convolution.
        numbers: Its weight, bias and window.
        activation: The activation, or None.
    """

    conv: Node
    numbers: Convolution
    activation: Node | None

    @property
    def end(self) -> str:
        """The tensor that others read."""
        return (self.activation or self.conv).output


@dataclass(frozen=True, slots=True)
class Fusion:
    """Branches and the convolution that takes their place.

    Args:
        branches: In the order in which their channels lie.
        numbers: The stacked convolution.
        join: The concatenation that reads all of them in this order; None where the result is split.
    """

    branches: tuple[Branch, ...]
    numbers: Convolution
    join: Node | None


class MergeParallelConvs(Pass[Fusion]):
    """Stack the weights of convolutions that read the same tensor."""

    purpose: ClassVar[str] = "make one convolution of several that read the same tensor"
    algebra: ClassVar[str] = "(U*x; V*x) = (U; V)*x, smaller kernels padded with zeros"

    def candidates(self, graph: Graph) -> Iterable[Node]:
        """The first convolution of each tensor that several read."""
        seen: set[str] = set()
        for node in graph.sorted_nodes():
            if node.op == "Conv" and node.input(0) not in seen:
                seen.add(node.input(0))
                yield node

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Fusion | Refusal | None:
        """There are others like it, and the results can be told apart for nothing."""
        branches = _branches(graph, node.input(0))
        if len(branches) < 2:
            return None
        reasons: list[Refusal] = []
        for alike in _alike(branches):
            found = self._fusion(graph, alike, facts)
            if isinstance(found, Fusion):
                return found
            reasons.append(found)
        return reasons[0] if reasons else Refusal("they differ in strides, dilations or activation")

    def _fusion(self, graph: Graph, branches: tuple[Branch, ...], facts: EngineFacts) -> Fusion | Refusal:
        join, run = _joined(graph, branches)
        if join is None and facts.split_cost:
            return Refusal(f"its results would have to be split, and {facts.split_cost}")
        chosen = run if join is not None else branches
        stacked = _stacked([one.numbers for one in chosen])
        return stacked if isinstance(stacked, Refusal) else Fusion(chosen, stacked, join)

    def rewrite(self, graph: Graph, node: Node, match: Fusion) -> str:
        """Stack, activate once, and split or join."""
        first = match.branches[0]
        made = write_convolution(graph, node.input(0), match.numbers)
        if first.activation is not None:
            names = [made.output, *first.activation.inputs[1:]]
            made = graph.make(first.activation.op, names, **first.activation.attributes)
        ends = [one.end for one in match.branches]
        if match.join is not None:
            start = match.join.inputs.index(ends[0])
            rest = [*match.join.inputs[:start], made.output, *match.join.inputs[start + len(ends) :]]
            graph.set_inputs(match.join, rest)
        else:
            sizes = tuple(one.numbers.outputs for one in match.branches)
            for end, part in zip(ends, split_channels(graph, made.output, sizes), strict=True):
                graph.redirect(end, part)
        for one in match.branches:
            graph.remove(one.conv, *([one.activation] if one.activation else []))
        return f"{len(ends)} convolutions became one of {match.numbers.outputs} channels"


def _branches(graph: Graph, source: str) -> list[Branch]:
    found = []
    for reader in graph.readers(source):
        numbers = read_convolution(graph, reader)
        if numbers is None or not numbers.plain or numbers.window.pads is None or reader.inputs.count(source) != 1:
            continue
        if graph.is_output(reader.output):
            continue
        only = graph.only_reader(reader.output)
        fits = only is not None and only.op in ELEMENTWISE and only.input(0) == reader.output
        activation = only if fits and only is not None and not graph.is_output(only.output) else None
        found.append(Branch(reader, numbers, activation))
    return found


def _alike(branches: list[Branch]) -> list[tuple[Branch, ...]]:
    """Return groups of branches that may be stacked: those of one window first, then those of one stride."""
    exact: dict[object, list[Branch]] = {}
    loose: dict[object, list[Branch]] = {}
    for one in branches:
        window, act = one.numbers.window, one.activation
        settings = (act.op, tuple(act.inputs[1:]), repr(sorted(act.attributes.items()))) if act else None
        exact.setdefault((window, settings), []).append(one)
        loose.setdefault((window.strides, window.dilations, settings), []).append(one)
    groups = [tuple(group) for group in (*exact.values(), *loose.values()) if len(group) > 1]
    return list(dict.fromkeys(groups))


def _joined(graph: Graph, branches: tuple[Branch, ...]) -> tuple[Node | None, tuple[Branch, ...]]:
    """Return a concatenation along the channels that reads at least two of the branches one after the other."""
    by_end = {one.end: one for one in branches}
    for one in branches:
        join = graph.only_reader(one.end)
        rank = graph.shapes.rank(one.end) or 0
        if join is None or join.op != "Concat" or join.get("axis") not in (1, 1 - rank):
            continue
        run: list[Branch] = []
        for name in join.inputs:
            branch = by_end.get(name)
            alone = branch is not None and graph.only_reader(name) is join and join.inputs.count(name) == 1
            if branch is not None and alone:
                run.append(branch)
            elif len(run) > 1:
                break
            else:
                run = []
        if len(run) > 1:
            return join, tuple(run)
    return None, ()


def _stacked(numbers: list[Convolution]) -> Convolution | Refusal:
    windows = [one.window for one in numbers]
    rank = len(windows[0].kernel)
    dilations, strides = windows[0].dilations, windows[0].strides
    pads = [max((one.pads or ())[place] for one in windows) for place in range(2 * rank)]
    kernel, weights = [0] * rank, []
    for place in range(rank):
        befores = [(pads[place] - (one.pads or ())[place]) // dilations[place] for one in windows]
        kernel[place] = max(before + one.kernel[place] for before, one in zip(befores, windows, strict=True))
    for one in numbers:
        padding = [(0, 0), (0, 0)]
        for place in range(rank):
            before, rest = divmod(pads[place] - (one.window.pads or ())[place], dilations[place])
            after = kernel[place] - one.window.kernel[place] - before
            grown = one.window.pads or ()
            meets = pads[place + rank] - grown[place + rank] == after * dilations[place]
            if rest or after < 0 or not meets:
                return Refusal("their windows do not meet")
            padding.append((before, after))
        weights.append(np.pad(one.weight, padding))
    made = np.concatenate(weights)
    before_macs = sum(one.weight.size for one in numbers)
    if made.size > MOST_MACS * before_macs:
        return Refusal(f"one kernel for all would cost {made.size / before_macs:.2f} times the MACs")
    window = Window(tuple(kernel), strides, tuple(pads), dilations)
    return replace(numbers[0], weight=made, bias=np.concatenate([one.bias for one in numbers]), window=window)

"""Find the parallel branches of a network, add up those that are one convolution, say why others are not."""

import operator
from collections import defaultdict
from dataclasses import dataclass
from math import prod

from torch import fx, nn
from torch.nn.modules.conv import _ConvNd

from lissome.compression.folding.alignment import misalignment
from lissome.compression.folding.sums import CONVOLUTIONS, Term, Terms, addends, is_sum, roots_of
from lissome.core.outcome import Note
from lissome.layers.branch_sum import sum_branches

_IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ifloordiv)


@dataclass(slots=True)
class Merged:
    """What one pass over a network found.

    Args:
        folded: One note a new convolution.
        declined: One note a convolution that has siblings and stays, by its path.
    """

    folded: list[Note]
    declined: dict[str, Note]


def merge_parallel_branches(graph: fx.GraphModule) -> Merged:
    """Replace branches that read the same tensor and are added by one convolution, in place.

    Args:
        graph: A network traced in evaluation mode. The new convolution has the path of the branch with the largest
            kernel; layers that nothing calls any more are removed.
    """
    merged = Merged([], {})
    terms = Terms(graph)
    for root in list(roots_of(graph)):
        _merge_sum(graph, root, terms, merged)
    graph.graph.lint()
    graph.delete_all_unused_submodules()
    graph.recompile()
    for path, reason in _lonely_siblings(graph, Terms(graph)):
        merged.declined.setdefault(path, Note(path, reason, applied=False))
    return merged


def _merge_sum(graph: fx.GraphModule, root: fx.Node, terms: Terms, merged: Merged) -> None:
    ends = addends(root)
    siblings: dict[fx.Node, list[Term]] = defaultdict(list)
    for one in map(terms.term, ends):
        siblings[one.source].append(one)
    left, made = list(ends), []
    for source, branches in siblings.items():
        if len(branches) < 2 or all(one.branch.convolution is None for one in branches):
            continue
        free = []
        for one in branches:
            reason = _obstacle(one, root, ends)
            if reason is None:
                free.append(one)
            elif one.layers:
                merged.declined[one.name] = Note(one.name, reason, applied=False)
        for group in _groups(free, merged):
            with graph.graph.inserting_before(root):
                made.append(graph.graph.call_module(group[0].name, (source,)))
            graph.set_submodule(group[0].name, sum_branches([one.branch for one in group]))
            others = ", ".join(one.name for one in group[1:])
            merged.folded.append(Note(group[0].name, f"{len(group)} branches are one convolution: with {others}"))
            for one in group:
                left.remove(one.end)
    if made:
        _replace(graph, root, [*made, *left])


def _obstacle(one: Term, root: fx.Node, ends: list[fx.Node]) -> str | None:
    if ends.count(one.end) > 1:
        return "it is summed twice"
    if one.layers and len(one.end.users) > 1:
        return "its output is used elsewhere too"
    # The new convolution reads the input where the sum is, so nothing may have changed it before, or expect it changed.
    order = {node: place for place, node in enumerate(root.graph.nodes)}
    users = sorted(one.source.users, key=order.__getitem__)
    for place, user in enumerate(users):
        written = _in_place(user) and user.args[0] is one.source and order[user] <= order[root]
        if written and (not is_sum(user) or users[place + 1 :]):
            return "its input is changed in place"
    return None


def _in_place(node: fx.Node) -> bool:
    if node.op == "call_module":
        owner = node.graph.owning_module
        return owner is not None and bool(getattr(owner.get_submodule(str(node.target)), "inplace", False))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    named = name.endswith("_") and not name.endswith("__") and name not in ("and_", "or_", "not_")
    return named or node.target in _IN_PLACE or bool(node.kwargs.get("inplace", False))


def _groups(branches: list[Term], merged: Merged) -> list[list[Term]]:
    """Part the branches of one input into those that become one convolution, the largest kernel first."""
    convolutions = [one for one in branches if one.branch.convolution is not None]
    waiting = sorted(convolutions, key=_taps, reverse=True) + [one for one in branches if one not in convolutions]
    groups = []
    while waiting and waiting[0].branch.convolution is not None:
        largest = waiting[0].branch.convolution
        reasons = {one.end: misalignment(one.branch, largest) for one in waiting[1:]}
        group = [waiting[0], *(one for one in waiting[1:] if reasons[one.end] is None)]
        for one in waiting[1:]:
            reason = reasons[one.end]
            if reason is not None and one.layers:
                merged.declined.setdefault(one.name, Note(one.name, f"beside {group[0].name}: {reason}", applied=False))
        if len(group) > 1:
            groups.append(group)
            for one in group:
                merged.declined.pop(one.name, None)
        waiting = [one for one in waiting if one not in group]
    return groups


def _taps(one: Term) -> int:
    return 0 if one.branch.convolution is None else prod(one.branch.convolution.kernel_size)


def _replace(graph: fx.GraphModule, root: fx.Node, terms: list[fx.Node]) -> None:
    """Put a new sum of the terms in the place of an old one, and erase what only the old one needed."""
    total = terms[0]
    with graph.graph.inserting_before(root):
        for one in terms[1:]:
            total = graph.graph.call_function(operator.add, (total, one))
    root.replace_all_uses_with(total)
    unused, erased = [root], set()
    while unused:
        node = unused.pop()
        # A node may be met twice: by way of each of its readers.
        if not node.users and node not in erased and node.op != "placeholder":
            unused += node.all_input_nodes
            graph.graph.erase_node(node)
            erased.add(node)


def _lonely_siblings(graph: fx.GraphModule, terms: Terms) -> list[tuple[str, str]]:
    """Return convolutions that share their input with others and were not added to one, each with the reason."""
    readers: dict[fx.Node, list[fx.Node]] = defaultdict(list)
    for node in graph.graph.nodes:
        if node.op == "call_module" and isinstance(graph.get_submodule(str(node.target)), _ConvNd):
            readers[node.args[0]].append(node)
    found = []
    for siblings in readers.values():
        for node in siblings if len(siblings) > 1 else ():
            end = _end(graph, node)
            reason = _no_sum(end)
            if type(graph.get_submodule(str(node.target))) not in CONVOLUTIONS:
                reason = f"it is a {type(graph.get_submodule(str(node.target))).__name__}"
            elif terms.calls[str(node.target)] > 1:
                reason = "it is called more than once"
            found.append((str(node.target), reason))
    return found


def _end(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    """Follow a convolution's value through normalisation and identities."""
    users = list(node.users)
    if len(users) == 1 and users[0].op == "call_module":
        layer = graph.get_submodule(str(users[0].target))
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.Identity):
            return _end(graph, users[0])
    return node


def _no_sum(end: fx.Node) -> str:
    if len(end.users) != 1:
        return "its output is used elsewhere too"
    user = next(iter(end.users))
    if is_sum(user):
        return "no sibling in its sum can be added to it"
    return f"it is not added to its siblings: its output goes to {user.name}"

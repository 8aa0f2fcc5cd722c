"""What running a network on labels finds out: which id every entry of every parameter belongs to."""

from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, fx, nn

from lissome.tracing.channel_sets import ChannelSets

Role = Literal["produces", "selects", "consumes", "scales"]


def is_constant(path: str) -> bool:
    """Tell whether a tensor was written in the code: what is cut from the graph would not be cut from the code.

    Example:
        >>> is_constant("_tensor_constant0"), is_constant("layer.scale")
        (True, False)
    """
    return path.startswith("_tensor_constant")


@dataclass(frozen=True, slots=True)
class ParameterSlice:
    """One axis of one parameter: index i belongs to channel `labels[i]`.

    Args:
        layer: Path of the layer; "" for a parameter of the network itself.
        parameter: Name within the layer: "weight".
        axis: Axis of the parameter.
        labels: Channel ids, shape (groups · size of the axis,).
        role: Whether the layer makes these channels, selects them, reads them, or scales them in passing.
        groups: Into how many blocks the first axis falls of which each has other labels along this axis.
    """

    layer: str
    parameter: str
    axis: int
    labels: Tensor
    role: Role
    groups: int = 1

    @property
    def path(self) -> str:
        """The parameter's path in the network."""
        return f"{self.layer}.{self.parameter}" if self.layer else self.parameter


@dataclass(slots=True)
class ChannelMap:
    """The channels of a traced network.

    Args:
        graph: The traced network; it shares its layers with the network itself.
        sets: Ids and which are tied.
        slices: Parameter axes by (path, axis).
        labels: Labels of each node's result: a tensor, or a tuple of them; absent for results that are no activations.
        equal: Channels whose groups must stay equal in number, with the number of groups.
        picks: What buffers of numbers pick from, by their paths: channel ids, shape (channels,).
        numbers: Results that are no tensors: sizes and what the forward computes from them.
        outputs: What the network computed of the example inputs.
    """

    graph: fx.GraphModule
    sets: ChannelSets = field(default_factory=ChannelSets)
    slices: dict[tuple[str, int], ParameterSlice] = field(default_factory=dict)
    labels: dict[fx.Node, Any] = field(default_factory=dict)
    equal: list[tuple[Tensor, int]] = field(default_factory=list)
    picks: dict[str, Tensor] = field(default_factory=dict)
    numbers: dict[fx.Node, Any] = field(default_factory=dict)
    outputs: Any = None
    _axes: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    _layers: dict[str, nn.Module] = field(default_factory=dict)

    def keep_equal(self, ids: Tensor, groups: int) -> None:
        """Note that as many channels must be left of every group."""
        if groups > 1:
            self.equal.append((ids, groups))

    def claim(self, path: str, axis: int, labels: Tensor, role: Role, groups: int = 1) -> None:
        """Note whose an axis is; a layer called twice, or a parameter of two layers, ties what is said of it."""
        layer, _, parameter = path.rpartition(".")
        tensor = getattr(self.layer(layer), parameter, None)
        if tensor is None:
            return
        before = self.slices.get((path, axis))
        if before is None or (before.role == "scales" and role != "scales"):
            self.slices[path, axis] = ParameterSlice(layer, parameter, axis, labels, role, groups)
        known = self._axes.setdefault((id(tensor), axis), labels)
        if known is not labels:
            self.sets.unite(known, labels)

    def layer(self, path: str) -> nn.Module:
        """Return a layer by its path."""
        if not self._layers:
            self._layers = dict(self.graph.named_modules(remove_duplicate=False))
        return self._layers[path]

    def number(self, argument: Any) -> Any:
        """Return an argument that is a number, or a node that computed one."""
        return self.numbers[argument] if isinstance(argument, fx.Node) else argument

    def attribute(self, path: str) -> Any:
        """Return a tensor of the network by its path."""
        owner, _, name = path.rpartition(".")
        return getattr(self.layer(owner), name)

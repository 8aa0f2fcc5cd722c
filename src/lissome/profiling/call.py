"""One call of a layer or operator, as counting sees it: shapes and settings, no values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the traced graph, run on shapes.

    Args:
        path: Path of the layer, or name of the operator's node.
        scope: Path of the module in whose forward it is called; a layer's own path.
        kind: Class of the layer, or the operator.
        operator: The operator's plain name; a layer's is that of its function: "conv2d".
        layer: The layer; None for a function or method.
        args: What is passed in; tensors have shapes and no values.
        kwargs: What is passed in by name.
        inputs: Shapes of the tensors read, each tensor once.
        outputs: Shapes of the tensors made.
        params: Parameters that no earlier call has counted.
        weights: Numbers it reads beside its inputs.
        reads: Which activations it reads.
        makes: Which activation it makes; None for a view of what it reads.
        is_view: Whether the result is a view: nothing is computed or moved.
    """

    path: str
    scope: str
    kind: str
    operator: str
    layer: nn.Module | None
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    params: int
    weights: int
    reads: tuple[int, ...]
    makes: int | None
    is_view: bool

    @property
    def output(self) -> Shape:
        """Shape of the first tensor made."""
        return self.outputs[0]

    @property
    def made(self) -> int:
        """How many numbers it makes."""
        return sum(math.prod(one) for one in self.outputs)

    @property
    def read(self) -> int:
        """How many numbers its inputs hold."""
        return sum(math.prod(one) for one in self.inputs)

    def setting(self, name: str, place: int, default: Any = None) -> Any:
        """Return a setting: of the layer by its name, of a function by its place or name."""
        if self.layer is not None:
            return getattr(self.layer, name, default)
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)

    def shape(self, name: str, place: int) -> Shape | None:
        """Return the shape of a tensor among the settings; None where there is none."""
        value = self.setting(name, place)
        return tuple(value.shape) if isinstance(value, Tensor) else None

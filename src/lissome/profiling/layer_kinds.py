"""What a layer's time depends on, apart from its widths."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

from torch import nn

from lissome.profiling.profile import Profile, Row


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LayerKind:
    """A convolution or fully connected layer of any width.

    Args:
        kernel: Height and width of the kernel; (1, 1) of a fully connected layer.
        stride: Its step.
        padding: Pixels added on each side.
        dilation: Distance between what the kernel reads.
        groups: Parts that are convolved by themselves; 0 for depthwise, where each channel is its own.
        size: Height and width of the input; (0, 0) of a fully connected layer.

    Example:
        >>> print(LayerKind(kernel=(3, 3), stride=(2, 2), padding=(1, 1), groups=0, size=(16, 16)))
        3x3 stride 2x2 depthwise on 16x16
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    size: tuple[int, int] = (0, 0)

    @property
    def is_linear(self) -> bool:
        """Whether it is a fully connected layer."""
        return self.size == (0, 0)

    @property
    def is_repeatable(self) -> bool:
        """Whether its output has the size of its input, so that such layers can be stacked."""
        pairs = zip(self.kernel, self.padding, self.dilation, strict=True)
        return self.stride == (1, 1) and all(2 * pad == dilation * (kernel - 1) for kernel, pad, dilation in pairs)

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """Return a layer of this kind with random weights."""
        if self.is_linear:
            return nn.Linear(in_channels, out_channels)
        return nn.Conv2d(
            in_channels,
            out_channels,
            self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups or in_channels,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the kind as plain values."""
        return {name: list(one) if isinstance(one, tuple) else one for name, one in asdict(self).items()}

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> Self:
        """Return the kind that `to_dict` wrote."""
        fields: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in table.items()}
        return cls(**fields)

    def __str__(self) -> str:
        if self.is_linear:
            return "fully connected"
        kernel, stride, size = ("x".join(map(str, one)) for one in (self.kernel, self.stride, self.size))
        grouped = {0: " depthwise", 1: ""}.get(self.groups, f" groups {self.groups}")
        far = "" if self.dilation == (1, 1) else f" dilation {self.dilation[0]}"
        return f"{kernel} stride {stride}{grouped}{far} on {size}"


def kind_of(layer: nn.Module, row: Row) -> LayerKind | None:
    """Return the kind of a layer called as a profile's row says; None for what no table knows."""
    if isinstance(layer, nn.Linear):
        return LayerKind() if len(row.inputs[0]) == 2 else None
    if type(layer) is not nn.Conv2d or isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        return None
    depthwise = layer.groups > 1 and layer.groups == layer.in_channels == layer.out_channels
    if layer.groups > 1 and layer.groups == layer.in_channels and not depthwise:
        return None
    return LayerKind(
        kernel=_pair(layer.kernel_size),
        stride=_pair(layer.stride),
        padding=_pair(layer.padding),
        dilation=_pair(layer.dilation),
        groups=0 if depthwise else layer.groups,
        size=_pair(row.inputs[0][2:]),
    )


def kinds_in(model: nn.Module, cost: Profile) -> Iterator[tuple[Row, LayerKind, int, int]]:
    """Yield each call of a layer that a table can know: its row, kind, and numbers of channels read and made."""
    layers = dict(model.named_modules())
    for row in cost.rows:
        layer = layers.get(row.layer)
        kind = None if layer is None else kind_of(layer, row)
        if isinstance(layer, nn.Linear) and kind:
            yield row, kind, layer.in_features, layer.out_features
        elif isinstance(layer, nn.Conv2d) and kind:
            yield row, kind, layer.in_channels, layer.out_channels


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    high, wide = values
    return high, wide

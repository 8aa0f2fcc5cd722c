"""Branches with constant scales (CSLA): what RepOptimizer's gradient masks stand for.

    y = s ⊙ (W_k ∗ x) + t ⊙ (W_1 ∗ x) + d ⊙ x        the last term where stride is 1 and C = C'

There is no normalisation inside, so the sum is one kernel all through training, W' = s W_k + t [W_1] + d [1], and

    ΔW' = -λ (s² + t² [centre] + 1 [centre, own channel]) ⊙ ∂L/∂W'

is how it moves when s and t are constant. A search trains s and t too, on a small task, to find their values.
Cost: H·W·C·C'·(K² + 1) MACs with branches, K² without.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeGuard, cast

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError

Scale = float | tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchScales:
    """Scales of a convolution's would-be branches; one number, or one for each output channel.

    Args:
        layer: Pattern of layer paths (``"blocks.*"``) it is about.
        kernel: s, of the convolution itself, ≥ 0.
        point: t, of the 1x1 convolution beside it, ≥ 0; 0 where there is none.
        identity: Start of d, the trained scale of the input itself; None where there is no such branch.

    Raises:
        SettingError: A scale is negative.
    """

    layer: str = "*"
    kernel: Scale = 1.0
    point: Scale = 1.0
    identity: Scale | None = 1.0

    def __post_init__(self) -> None:
        for name in ("kernel", "point"):
            value = getattr(self, name)
            if min(value if isinstance(value, tuple) else (value,), default=0.0) < 0:
                raise SettingError(f"{name} is {value}", where="BranchScales", fix="choose values of at least 0")


def can_have_branches(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Tell whether a layer is a convolution with an odd kernel of at least 3x3 that a 1x1 lines up with."""
    return (
        type(layer) is nn.Conv2d
        and min(layer.kernel_size) >= 3
        and all(size % 2 for size in layer.kernel_size)
        and tuple(layer.padding) == _half(layer)
    )


def _half(layer: nn.Conv2d) -> tuple[int, ...]:
    return tuple(step * (size - 1) // 2 for step, size in zip(layer.dilation, layer.kernel_size, strict=True))


def has_identity(layer: nn.Conv2d) -> bool:
    """Tell whether the input can be added to the output of a convolution."""
    return set(layer.stride) == {1} and layer.in_channels == layer.out_channels


def gradient_mask(layer: nn.Conv2d, scales: BranchScales, *, where: str = "") -> Tensor:
    """Return what a plain convolution's gradient is multiplied by to move as the sum of its would-be branches moves.

    Args:
        layer: The plain convolution.
        scales: Of the branches.
        where: The layer's path, for messages.

    Raises:
        SettingError: There is another number of scales than of channels.

    Shape:
        That of the layer's weight.

    Source:
        Ding et al. 2022, arXiv:2205.15242, Section 3.

    Example:
        >>> gradient_mask(nn.Conv2d(1, 1, 3, padding=1), BranchScales(kernel=2.0, point=3.0))[0, 0].tolist()
        [[4.0, 4.0, 4.0], [4.0, 14.0, 4.0], [4.0, 4.0, 4.0]]
    """
    weight = layer.weight.detach()
    kernel, point = (_column(one, layer, where) for one in (scales.kernel, scales.point))
    mask = (kernel.square()[:, :, None, None] * torch.ones_like(weight)).contiguous()
    rows, columns = (size // 2 for size in layer.kernel_size)
    mask[:, :, rows, columns] += point.square()
    if scales.identity is not None and has_identity(layer):
        mask += nn.init.dirac_(torch.empty_like(weight), layer.groups)
    return mask


def _column(scale: Scale, layer: nn.Conv2d, where: str) -> Tensor:
    values = torch.as_tensor(scale, dtype=layer.weight.dtype, device=layer.weight.device)
    if values.ndim and len(values) != layer.out_channels:
        raise SettingError(
            f"{len(values)} scales for {layer.out_channels} channels", where=where, fix="give one, or one a channel"
        )
    return values.expand(layer.out_channels)[:, None]


def _plane(scale: Scale, layer: nn.Conv2d) -> Tensor:
    """Return the scales as (out_channels, 1, 1)."""
    return _column(scale, layer, "ScaledBranches").clone()[:, :, None]


class ScaledBranches(nn.Module):
    """A convolution with a 1x1 beside it and, where shapes allow, its input; each scaled, then added.

    Args:
        convolution: The largest branch; it is taken over, with its bias.
        scales: Start of the scales.
        search: Train the scales as well, to find values for `RepSGD`; else s and t are constant.

    Raises:
        SettingError: The convolution can have no branches.

    Shape:
        That of the convolution.

    Source:
        Ding et al. 2022, arXiv:2205.15242, Section 3 and Figure 1.

    Example:
        >>> ScaledBranches(nn.Conv2d(8, 8, 3, padding=1))(torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(self, convolution: nn.Conv2d, scales: BranchScales | None = None, *, search: bool = False) -> None:
        super().__init__()
        if not can_have_branches(convolution):
            raise SettingError(
                "only a convolution of odd size, 3x3 or more, that keeps the size can have branches",
                where="ScaledBranches",
            )
        scales = scales or BranchScales()
        channels, out_channels = convolution.in_channels, convolution.out_channels
        stride = cast(tuple[int, int], convolution.stride)
        self.kernel = convolution
        self.point = nn.Conv2d(channels, out_channels, 1, stride, groups=convolution.groups, bias=False)
        self.point.to(convolution.weight)
        self.kernel_scale = nn.Parameter(_plane(scales.kernel, convolution), requires_grad=search)
        self.point_scale = nn.Parameter(_plane(scales.point, convolution), requires_grad=search)
        self.identity_scale: nn.Parameter | None = None
        if scales.identity is not None and has_identity(convolution):
            self.identity_scale = nn.Parameter(_plane(scales.identity, convolution))

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the scaled branches, and the bias."""
        kernel, bias = self.kernel, self.kernel.bias
        # The bias belongs to the sum: no branch's scale touches it.
        y = kernel(x) if bias is None else kernel(x) - bias[:, None, None]
        y = y * self.kernel_scale + self.point(x) * self.point_scale
        if self.identity_scale is not None:
            y = y + x * self.identity_scale
        y = y if bias is None else y + bias[:, None, None]
        return cast(Tensor, y)

    @torch.no_grad()
    def plain(self) -> nn.Conv2d:
        """Return the plain convolution that computes the same: the rule of initialisation."""
        plain = copy.deepcopy(self.kernel)
        weight = plain.weight * self.kernel_scale[..., None]
        rows, columns = (size // 2 for size in plain.kernel_size)
        weight[:, :, rows, columns] += self.point.weight[:, :, 0, 0] * self.point_scale[:, :, 0]
        if self.identity_scale is not None:
            weight += nn.init.dirac_(torch.empty_like(weight), plain.groups) * self.identity_scale[..., None]
        plain.weight.copy_(weight)
        return plain


def with_scaled_branches(
    model: nn.Module, scales: Sequence[BranchScales] = (BranchScales(),), *, search: bool = False
) -> nn.Module:
    """Return a copy of a plain network with branches beside each convolution that the scales match.

    Args:
        model: Any network; left as it is. The new 1x1 convolutions draw from torch's global generator.
        scales: The first that matches a layer's path counts.
        search: Train the scales as well.

    Raises:
        SettingError: No convolution matches.

    Example:
        >>> with_scaled_branches(nn.Sequential(nn.Conv2d(8, 8, 3, padding=1)))[0].point
        Conv2d(8, 8, kernel_size=(1, 1), stride=(1, 1), bias=False)
    """
    branched = copy.deepcopy(model)
    found = 0
    for path, layer in list(branched.named_modules()):
        fitting = [one for one in scales if fnmatchcase(path, one.layer)]
        if fitting and path and can_have_branches(layer):
            branched.set_submodule(path, ScaledBranches(layer, fitting[0], search=search))
            found += 1
    if not found:
        raise SettingError("no convolution of 3x3 or more matches the scales", where="with_scaled_branches")
    return branched


def without_scaled_branches(model: nn.Module) -> nn.Module:
    """Return a copy in which each block of scaled branches is the plain convolution that computes the same.

    Example:
        >>> branched = with_scaled_branches(nn.Sequential(nn.Conv2d(8, 8, 3, padding=1)))
        >>> without_scaled_branches(branched)[0]
        Conv2d(8, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """
    plain = copy.deepcopy(model)
    for path, layer in list(plain.named_modules()):
        if isinstance(layer, ScaledBranches):
            plain.set_submodule(path, layer.plain())
    return plain


def scales_of(model: nn.Module) -> tuple[BranchScales, ...]:
    """Return the scales of a network's blocks, for each by its path: what a search has found.

    A scale that training made negative counts by its absolute value: its square is all that the mask takes.

    Example:
        >>> branched = with_scaled_branches(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1)), search=True)
        >>> scales_of(branched)
        (BranchScales(layer='0', kernel=(1.0,), point=(1.0,), identity=(1.0,)),)
    """
    return tuple(
        BranchScales(
            layer=path,
            kernel=_numbers(layer.kernel_scale.abs()),
            point=_numbers(layer.point_scale.abs()),
            identity=None if layer.identity_scale is None else _numbers(layer.identity_scale),
        )
        for path, layer in model.named_modules()
        if isinstance(layer, ScaledBranches)
    )


def _numbers(values: Tensor) -> tuple[float, ...]:
    return tuple(values.detach().flatten().tolist())

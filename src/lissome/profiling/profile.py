"""What a network costs, layer by layer: parameters, operations, bytes moved, memory, and time on a device."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError, ShapeError
from lissome.devices.device import Device
from lissome.profiling.call import Call
from lissome.profiling.find_device import device_of
from lissome.profiling.fusion import fused_calls
from lissome.profiling.handlers import Count, count, groups_of, kernel_of
from lissome.profiling.memory import peak_memory
from lissome.profiling.roofline import predict
from lissome.profiling.rows import Convention, Profile, Row
from lissome.profiling.torchstat import torchstat_count
from lissome.profiling.walk import walk

__all__ = ["Profile", "Row", "profile"]

_NUMBER_BYTES = 4

Input = Sequence[int] | Tensor | Sequence[Sequence[int] | Tensor]


def profile(
    model: nn.Module,
    input: Input,
    *,
    device: Device | str | None = None,
    convention: Convention = "macs",
    batch: int | None = None,
) -> Profile:
    """Count what a network costs. Nothing is computed: only shapes run through the network.

    Args:
        model: A traceable module; it is left as it was.
        input: Shape of its one input, e.g. ``(1, 3, 224, 224)``, an example tensor, or several of either.
        device: A name of `lissome list devices`, "this" for the machine at hand, which is then measured for a few
            seconds, or a `Device`; adds the least time each call can take there.
        convention: What is shown: "macs" (multiply-adds of convolutions and fully connected layers), "formula"
            (floating-point operations of everything) or "torchstat" (that tool's columns).
        batch: Images at once; None takes the input's own.

    Raises:
        TraceError: The forward cannot be traced.
        ShapeError: The network does not take this input.
        SettingError: A setting is out of its range.
        UnknownNameError: There is no such device.

    Example:
        >>> cost = profile(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()), (1, 3, 4, 4))
        >>> cost.params, cost.macs, cost.flops, [row.layer for row in cost.rows]
        (224, 3456, 7040, ['0', '1'])
    """
    if convention not in get_args(Convention):
        words = ", ".join(get_args(Convention))
        raise SettingError(f"convention is {convention!r}", where="profile", fix=f"choose one of {words}")
    target = None if device is None else device_of(device)
    inputs = _inputs(model, input, batch)
    walked = walk(model, inputs)
    fused = fused_calls(walked)
    cost = Profile(
        name=type(model).__name__,
        inputs=tuple(tuple(one.shape) for one in inputs),
        rows=tuple(_row(call, convention, is_fused=place in fused) for place, call in enumerate(walked.calls)),
        params=sum(one.numel() for one in model.parameters()),
        peak_memory=peak_memory(walked, number_bytes=_NUMBER_BYTES),
        convention=convention,
    )
    return cost if target is None else replace(cost, prediction=predict(cost, target))


def _row(call: Call, convention: Convention, *, is_fused: bool) -> Row:
    counted = count(call)
    known = counted or Count(0, 0)
    read, written = (0, 0) if call.is_view else (call.read + call.weights, call.made)
    return Row(
        layer=call.path,
        scope=call.scope,
        kind=call.kind,
        operator=call.operator,
        inputs=call.inputs,
        output=call.output,
        params=call.params,
        macs=known.macs,
        flops=known.flops,
        bytes_read=_NUMBER_BYTES * read,
        bytes_written=_NUMBER_BYTES * written,
        memory_bytes=_NUMBER_BYTES * written,
        groups=groups_of(call),
        kernel=kernel_of(call),
        is_fused=is_fused,
        is_known=counted is not None or call.is_view,
        torchstat=torchstat_count(call) if convention == "torchstat" else None,
    )


def _inputs(model: nn.Module, given: Input, batch: int | None) -> tuple[Tensor, ...]:
    """Return the inputs without values."""
    if isinstance(given, Tensor) or (given and all(isinstance(one, int) for one in given)):
        given = (given,)  # type: ignore[assignment]
    weight = next((one for one in model.parameters() if one.is_floating_point()), None)
    dtype = torch.float32 if weight is None else weight.dtype
    tensors = tuple(_without_values(one, dtype, batch) for one in given)  # type: ignore[arg-type]
    if not tensors:
        raise ShapeError("there is no input", where=type(model).__name__, fix="give its shape, as (1, 3, 224, 224)")
    return tensors


def _without_values(given: Sequence[int] | Tensor, dtype: torch.dtype, batch: int | None) -> Tensor:
    shape = tuple(given.shape) if isinstance(given, Tensor) else tuple(given)
    if batch is not None:
        if batch < 1:
            raise SettingError(f"batch is {batch}", where="profile", fix="choose at least 1")
        shape = (batch, *shape[1:])
    if not all(isinstance(side, int) for side in shape) or not math.prod(max(side, 0) for side in shape):
        text = "x".join(map(str, shape))
        raise ShapeError(f"{text} holds nothing", where="input", fix="give sides of at least 1")
    return torch.empty(shape, dtype=given.dtype if isinstance(given, Tensor) else dtype, device="meta")

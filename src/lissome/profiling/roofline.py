"""The roofline model: a call takes at least the time of its arithmetic, and at least the time of its memory.

t = max(FLOPs / π, bytes / β)        π: peak FLOPs/s      β: bytes/s
"""

from collections.abc import Iterable, Mapping

from lissome.core.errors import SettingError
from lissome.core.names import choose
from lissome.devices.device import BYTES_OF, Device
from lissome.profiling.prediction import Bound, Prediction, RowTime
from lissome.profiling.rows import Profile, Row

REST = "*"
"""What stands for all other work in a table of efficiencies."""


def work_of(row: Row) -> str:
    """Return what kind of work a call is: its operator, convolutions by how they can be computed.

    Example:
        >>> from torch import nn
        >>> from lissome.profiling.profile import profile
        >>> cost = profile(nn.Sequential(nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 1), nn.ReLU()), (1, 8, 9, 9))
        >>> [work_of(row) for row in cost.rows]
        ['depthwise convolution', 'pointwise convolution', 'relu']
    """
    if row.kernel is None:
        return row.operator
    if row.groups > 1:
        is_depthwise = row.groups == row.inputs[0][1]
        return "depthwise convolution" if is_depthwise else "grouped convolution"
    return "pointwise convolution" if max(row.kernel, default=1) == 1 else "spatial convolution"


def predict(
    profile: Profile,
    device: Device,
    *,
    precision: str | None = None,
    efficiency: Mapping[str, float] | None = None,
    call_ms: float = 0.0,
) -> Prediction:
    """Return the least time each call can take on a device, and what limits it.

    Args:
        profile: The network's cost.
        device: The device.
        precision: What it computes in, numbers taking as many bytes; None takes the device's own.
        efficiency: For each kind of work (`work_of`), the share of the roof that was found to be reached, > 0; "*"
            stands for the others, absent it is 1.
        call_ms: What an engine was found to spend on each call besides, ≥ 0; views are free.

    Raises:
        SettingError: An efficiency is not above 0, or call_ms is below.
        UnknownNameError: The device does not compute in that precision.

    Source:
        Williams, Waterman, Patterson 2009, "Roofline", Communications of the ACM 52(4).

    Example:
        >>> from torch import nn
        >>> from lissome.devices.catalog import find_device
        >>> from lissome.profiling.profile import profile
        >>> cost = profile(nn.Conv2d(64, 64, 3, padding=1), (1, 64, 56, 56))
        >>> prediction = predict(cost, find_device("raspberry_pi_4"))
        >>> prediction.rows[0].bound, round(prediction.total_ms, 1)
        ('compute', 17.1)
    """
    return predict_rows(profile.rows, device, precision=precision, efficiency=efficiency, call_ms=call_ms)


def predict_rows(
    rows: Iterable[Row],
    device: Device,
    *,
    precision: str | None = None,
    efficiency: Mapping[str, float] | None = None,
    call_ms: float = 0.0,
) -> Prediction:
    """Return the same for some rows of a profile."""
    chosen = precision or device.precision
    peak = choose(device.peak_flops_per_s, chosen, f"precision of {device.name}")
    wrong = [name for name, share in (efficiency or {}).items() if not share > 0]
    if wrong:
        raise SettingError("is not above 0", where=f"efficiency of {wrong[0]}", fix="give a share of the roof")
    if call_ms < 0:
        raise SettingError(f"call_ms is {call_ms}", where="predict", fix="choose at least 0")
    shares, size = efficiency or {}, BYTES_OF[chosen] / 4
    rest = shares.get(REST, 1.0)
    times = tuple(
        _time(row, peak, device, bytes_share=size, share=shares.get(work_of(row), rest), call_ms=call_ms)
        for row in rows
    )
    return Prediction(
        device=device,
        precision=chosen,
        rows=times,
        total_ms=sum(one.ms for one in times),
        fused_ms=sum(one.ms for one in times if not one.is_fused),
        is_calibrated=bool(efficiency) or call_ms > 0,
    )


def _time(row: Row, peak: float, device: Device, *, bytes_share: float, share: float, call_ms: float) -> RowTime:
    moved = row.bytes_moved * bytes_share
    bandwidth = device.bandwidth(moved)
    compute_ms, memory_ms = 1e3 * row.flops / peak / share, 1e3 * moved / bandwidth / share
    intensity = row.flops / moved if moved else 0.0
    bound: Bound = "compute" if compute_ms > memory_ms else "memory" if memory_ms else "none"
    return RowTime(
        layer=row.layer,
        kind=row.kind,
        ms=max(compute_ms, memory_ms) + (call_ms if row.bytes_moved else 0.0),
        compute_ms=compute_ms,
        memory_ms=memory_ms,
        bound=bound,
        flops_per_byte=intensity,
        attainable_flops_per_s=min(peak, intensity * bandwidth) * share,
        is_fused=row.is_fused,
    )

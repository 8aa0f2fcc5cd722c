"""Time each layer of a network on an engine, in turn with runs without clocks, which say what the clocks cost.

PyTorch is run call by call; onnxruntime's own profiler is on in a second session; ncnn is asked for one blob after
another (`runtimes/ncnn_layers.py`). The difference between the layers together and a plain run is reported as overhead.
"""

import copy
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from lissome.core.errors import EngineError, SettingError
from lissome.core.module_graph import run_once
from lissome.devices.device import Device
from lissome.layers.fake_quantize import without_quantization
from lissome.profiling.find_device import device_of
from lissome.profiling.profile import profile
from lissome.runtimes.layer_clock import LAYER_CLOCKS, LayerClock, LayerSeconds, get_layer_clock
from lissome.runtimes.ncnn_layers import NcnnLayers
from lissome.runtimes.protocol import Array, Session, SessionDescription
from lissome.runtimes.torch import TorchSession
from lissome.timing.attribution import Match, attribute, match_names, match_values
from lissome.timing.layer_costs import LayerCost, layer_costs
from lissome.timing.layer_timing import LayerTime, LayerTiming
from lissome.timing.loaded import load_proved, prove
from lissome.timing.measure import garbage_collection_off, latency_of
from lissome.timing.pinned import pinned
from lissome.timing.source_graph import SourceGraph, input_noise
from lissome.timing.statistics import stalled_rounds
from lissome.timing.torch_layers import TorchLayers
from lissome.timing.utilisation import Utilisation

Floats = npt.NDArray[np.float64]

ENGINES = ("torch", *LAYER_CLOCKS)
"""What can time its layers."""

_WARMUP, _FEWEST = 3, 5
_MOST_EVENTS = 500_000  # onnxruntime's profiler holds a million, which is more than anyone waits for


@dataclass(frozen=True, slots=True)
class _Timed:
    """Runs without and with clocks, in turn; row by row of the same round.

    Args:
        plain: Seconds of each run without clocks, (rounds,).
        layers: What the clocks saw in each round.
        busy: Processor time over wall time and threads, of the plain runs.
    """

    plain: Floats
    layers: LayerSeconds
    busy: float


def time_layers(
    model: nn.Module,
    input: Sequence[int] | Tensor | tuple[Tensor, ...],
    *,
    on: str = "onnxruntime",
    threads: int = 1,
    seconds: float = 5.0,
    device: Device | str | None = None,
    seed: int = 0,
) -> LayerTiming:
    """Time each layer of a network on an engine.

    Args:
        model: A traceable module; left as it was.
        input: Shape of its one input, e.g. ``(1, 3, 224, 224)``, or example tensors.
        on: onnxruntime, ncnn (one image only) or torch.
        threads: Threads of the engine, each on a CPU of its own.
        seconds: Time for the rounds, > 0; five are run in any case.
        device: Whose peaks the achieved rates are compared with: "this", or one that this machine is.
        seed: Seed of the input.

    Raises:
        SettingError: An engine that cannot time its layers, a setting out of range.
        UnknownNameError: There is no such device.
        TraceError: The forward cannot be traced.
        ShapeError: The network does not take this input.
        EngineError: The engine refuses the network, or computes something else.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        >>> times = time_layers(model, (1, 3, 8, 8), seconds=0.05)
        >>> [row.layers for row in times.rows if row.layers]
        [('0', '1')]
    """
    check_engine(on)
    if not seconds > 0:
        raise SettingError(f"seconds is {seconds}", where="time_layers", fix="choose a value above 0")
    chip = None if device is None else device_of(device)
    inputs = _inputs(input, seed)
    source = SourceGraph(model, inputs)
    run_once(source, inputs)
    images = [one.numpy() for one in inputs]
    with tempfile.TemporaryDirectory(prefix="lissome-layers-") as folder, pinned(threads):
        session, clock, matches = _open(model, source, inputs, on, Path(folder), threads)
        timed = _rounds(session, clock, images, seconds=seconds, threads=threads)
    calls = source.source_calls
    layers = timed.layers.layers
    found = match_names(layers, calls, source.output_calls) if matches is None else matches
    cost = profile(without_quantization(model), inputs)
    costs = layer_costs(len(layers), attribute(found, calls), calls, cost)
    for match in found:  # a layer that shares its call with an earlier one: the cost is counted there
        if not costs[match.layer].calls:
            costs[match.layer] = LayerCost((calls[match.call].layer,), 0, 0)
    return _result(type(model).__name__, session.describe(), inputs, timed, costs, chip)


def check_engine(name: str) -> None:
    """Refuse an engine that cannot time its layers.

    Raises:
        SettingError: Says which can.
    """
    if name not in ENGINES:
        raise SettingError(
            f"{name!r} cannot time its layers", where="time_layers", fix=f"choose of {', '.join(ENGINES)}"
        )


def _inputs(given: Sequence[int] | Tensor | tuple[Tensor, ...], seed: int) -> tuple[Tensor, ...]:
    if isinstance(given, Tensor):
        return (given,)
    tensors = tuple(one for one in given if isinstance(one, Tensor))
    return tensors or input_noise((tuple(int(side) for side in given),), seed)


def _open(
    model: nn.Module, source: SourceGraph, inputs: tuple[Tensor, ...], on: str, folder: Path, threads: int
) -> tuple[Session, LayerClock, list[Match] | None]:
    """Return a plain session, a clock, and the matches; None where the names will tell."""
    if on == "torch":
        session: Session = TorchSession(copy.deepcopy(model), threads=threads)
        clock: LayerClock = TorchLayers(source, threads=threads)
        return session, clock, [Match(one, one, is_last=False) for one in range(len(source.source_calls))]
    if on == "ncnn":
        if any(len(one) != 1 for one in inputs):
            raise SettingError("ncnn runs one image at a time", where="time_layers", fix="give an input (1, …)")
        session = load_proved(model, inputs, on, folder, threads=threads)
        layered = NcnnLayers(folder, threads=threads)
        values = layered.values(*(one.numpy() for one in inputs))
        made = {number: one.numpy() for number, one in source.outputs_of_calls(inputs).items()}
        found = match_values(
            [one for one, _ in values],
            [one for _, one in values],
            made,
            source.source_calls,
            are_rounded=session.describe().precision == "int8",
        )
        return session, layered, found
    session = load_proved(model, inputs, on, folder / "plain", threads=threads)
    prove(source, inputs, on, folder / "labelled")
    return session, get_layer_clock(on)(folder / "labelled", threads=threads), None


def _rounds(session: Session, clock: LayerClock, images: list[Array], *, seconds: float, threads: int) -> _Timed:
    for _ in range(_WARMUP):
        session.run(*images)
        clock.run(*images)
    plain: list[float] = []
    busy = wall = 0.0
    with garbage_collection_off():
        end = time.perf_counter() + seconds
        most = _FEWEST
        while len(plain) < most or time.perf_counter() < end:
            if len(plain) >= _MOST_EVENTS // 100:
                break
            processor, start = time.process_time(), time.perf_counter()
            session.run(*images)
            took = time.perf_counter() - start
            busy, wall = busy + time.process_time() - processor, wall + took
            plain.append(took)
            clock.run(*images)
    seen = clock.finish()
    layers = LayerSeconds(seen.layers, seen.seconds[_WARMUP:])
    if len(layers.seconds) != len(plain):
        raise EngineError(f"{len(layers.seconds)} runs were timed of {len(plain)}", where="time_layers")
    return _Timed(np.array(plain), layers, min(busy / (wall * threads), 1.0))


def _result(
    name: str,
    description: SessionDescription,
    inputs: tuple[Tensor, ...],
    timed: _Timed,
    costs: list[LayerCost],
    device: Device | None,
) -> LayerTiming:
    stalled = stalled_rounds(np.stack([timed.plain, timed.layers.seconds.sum(axis=1)], axis=1))
    latency = latency_of(timed.plain[~stalled] * 1e3)
    medians = np.median(timed.layers.seconds[~stalled], axis=0) * 1e3
    whole = float(medians.sum())
    rows = tuple(
        LayerTime(
            layers=cost.calls,
            name=layer.name,
            operator=layer.operator,
            latency_ms=float(ms),
            share=float(ms) / whole if whole else 0.0,
            macs=cost.macs,
            bytes_moved=cost.bytes_moved,
            utilisation=_used(cost.macs, cost.bytes_moved, float(ms), device, description.precision)
            if device
            else None,
        )
        for layer, cost, ms in zip(timed.layers.layers, costs, medians, strict=True)
    )
    macs, moved = (sum(getattr(cost, what) for cost in costs) for what in ("macs", "bytes_moved"))
    return LayerTiming(
        name=name,
        runtime=description.engine,
        version=description.version,
        precision=description.precision,
        threads=description.threads,
        inputs=tuple(tuple(one.shape) for one in inputs),
        latency=latency,
        rows=rows,
        runs=int((~stalled).sum()),
        stalled=int(stalled.sum()),
        device=device.name if device else "",
        utilisation=_used(macs, moved, latency.median_ms, device, description.precision, timed.busy),
    )


def _used(
    macs: int, moved: int, latency_ms: float, device: Device | None, precision: str, busy: float | None = None
) -> Utilisation:
    rate = 1e3 / latency_ms if latency_ms else 0.0
    return Utilisation(
        flops=2 * macs * rate,
        bytes_per_second=moved * rate,
        peak_flops=device.peak_flops_per_s.get(precision) if device else None,
        bandwidth=device.bytes_per_s if device else None,
        busy=busy,
    )

"""The machine at hand as a `Device`: its two roofs, measured in a few seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch.nn import functional

from lissome.core.errors import SettingError
from lissome.core.machine import describe_machine
from lissome.devices.catalog import THIS
from lissome.devices.device import Device
from lissome.devices.host import host_caches, host_lanes

_SIDES = (256, 512, 1024)
# (channels in, channels out, kernel, pixels a side)
_CONVOLUTIONS = ((64, 64, 3, 56), (128, 128, 3, 28), (256, 256, 3, 14), (256, 256, 1, 28))
_MEMORY_BYTES = 1 << 28
_FEWEST_REPEATS = 3
_FEATURES_OF = {"bfloat16": ("bf16", "AMX bf16"), "int8": ("VNNI", "dot product", "AMX int8", "int8 matrix")}


@cache
def measure_this_device(threads: int = 1, seconds: float = 0.15) -> Device:
    """Measure what the processor computes and moves at most; once a process for each setting.

    Peak arithmetic is the best rate of matrix products and convolutions, bandwidth that of copying an array far larger
    than the caches, and of arrays that fit each of them. Keep the machine quiet meanwhile: what disturbs it, lowers
    the roofs.

    Args:
        threads: Threads that compute, ≥ 1.
        seconds: Time for each of some fifteen measurements, > 0.

    Returns:
        The device "this"; bfloat16 and int8 only where the processor has instructions for them.

    Raises:
        SettingError: A setting is out of its range.

    Example:
        >>> device = measure_this_device(seconds=0.001)
        >>> device.name, "float32" in device.peak_flops_per_s
        ('this', True)
    """
    if threads < 1 or not seconds > 0:
        raise SettingError(
            f"threads is {threads}, seconds {seconds}", where="measure_this_device", fix="choose both above 0"
        )
    machine = describe_machine()
    features = tuple(machine["features"])
    with _threads(threads), torch.inference_mode():
        peaks = {"float32": _float32(seconds)}
        for precision, words in _FEATURES_OF.items():
            if any(word in feature for word in words for feature in features):
                rate = _int8(seconds) if precision == "int8" else _product(512, torch.bfloat16, seconds)
                peaks[precision] = (rate, "512x512 matrix product")
        caches = host_caches()
        # Half of a cache holds what is copied and the copy; a copy within the innermost takes less than its call.
        inner = [_copy_rate(size // 2, seconds) for size in caches[1:]]
        bandwidth = _copy_rate(_MEMORY_BYTES, seconds)
    measured = f"measured, {threads} thread{'s' if threads > 1 else ''}"
    sources = {precision: f"{measured}: {what}" for precision, (_, what) in peaks.items()}
    sources["bytes_per_s"] = f"{measured}: copy of {_MEMORY_BYTES >> 21} MiB, bytes read and written"
    return Device(
        name=THIS,
        title=machine["cpu"],
        kind="cpu",
        peak_flops_per_s={precision: rate for precision, (rate, _) in peaks.items()},
        bytes_per_s=bandwidth,
        cache_bytes=caches,
        cache_bytes_per_s=tuple(max(rate, bandwidth) for rate in (*inner[:1], *inner)),
        channel_multiple=host_lanes(),
        threads=threads,
        features=features,
        sources=sources,
    )


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _float32(seconds: float) -> tuple[float, str]:
    """Return the best rate and what reached it."""
    rates = {f"{side}x{side} matrix product": _product(side, torch.float32, seconds) for side in _SIDES}
    for channels, made, kernel, side in _CONVOLUTIONS:
        name = f"{kernel}x{kernel} convolution, {channels} to {made} channels at {side}x{side}"
        rates[name] = _convolution(channels, made, kernel, side, seconds)
    best = max(rates, key=rates.__getitem__)
    return rates[best], best


def _product(side: int, dtype: torch.dtype, seconds: float) -> float:
    left, right = torch.ones(side, side, dtype=dtype), torch.ones(side, side, dtype=dtype)
    return _rate(lambda: torch.mm(left, right), 2 * side**3, seconds)


def _int8(seconds: float, side: int = 512) -> float:
    left, right = (torch.ones(side, side, dtype=torch.int8) for _ in range(2))
    return _rate(lambda: torch._int_mm(left, right), 2 * side**3, seconds)


def _convolution(channels: int, made: int, kernel: int, side: int, seconds: float) -> float:
    image, weight = torch.ones(1, channels, side, side), torch.ones(made, channels, kernel, kernel)
    work = 2 * side**2 * kernel**2 * channels * made
    return _rate(lambda: functional.conv2d(image, weight, padding=kernel // 2), work, seconds)


def _copy_rate(size: int, seconds: float) -> float:
    """Return the bytes a second of a copy that reads and writes so many bytes in all."""
    source = torch.ones(max(1, size // 8))
    target = torch.zeros_like(source)
    return _rate(lambda: target.copy_(source), 8 * source.numel(), seconds)


def _rate(call: Callable[[], object], work: int, seconds: float) -> float:
    """Return work a second, of the quickest call."""
    call()
    best, start, calls = float("inf"), time.perf_counter(), 0
    while calls < _FEWEST_REPEATS or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - before)
        calls += 1
    return work / max(best, 1e-9)

"""What "used" means: achieved share of the peak, which is not the share of time that the machine was busy.

A monitor's "utilisation" (nvidia-smi's GPU-Util, top's CPU column) is busy time: the share of the last second in which
anything ran at all. A kernel that waits for memory keeps a device 100 % busy at 3 % of its arithmetic.

    busy = processor time / (wall time · threads)
    share of peak = 2 · MACs / time / peak FLOPS        share of bandwidth = bytes moved / time / bandwidth
"""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilisation:
    """Achieved rates beside busy time.

    Args:
        flops: Achieved FLOPs a second, 2 for each MAC.
        bytes_per_second: Achieved bytes a second, by the count of what must be moved; caches may hold some of it.
        peak_flops: What the device could at most; None where no device is named.
        bandwidth: Bytes a second that its memory gives at most; None where no device is named.
        busy: Processor time over wall time and threads; None where it was not taken.

    Example:
        >>> one = Utilisation(flops=2e9, bytes_per_second=1e9, peak_flops=1e11, bandwidth=1e10, busy=1.0)
        >>> print(one)
        busy 100.0 %, but 2.0 % of the peak's FLOPS (2.0 of 100.0 GFLOPS) and 10.0 % of the bandwidth (1.0 of 10.0 GB/s)
    """

    flops: float
    bytes_per_second: float
    peak_flops: float | None = None
    bandwidth: float | None = None
    busy: float | None = None

    @property
    def flops_share(self) -> float | None:
        """Achieved share of the peak FLOPS."""
        return self.flops / self.peak_flops if self.peak_flops else None

    @property
    def bandwidth_share(self) -> float | None:
        """Achieved share of the bandwidth; above 1 where caches serve."""
        return self.bytes_per_second / self.bandwidth if self.bandwidth else None

    def percent(self, what: Literal["flops", "bandwidth"]) -> str:
        """Return a share as text, "" where it is not known."""
        share = self.flops_share if what == "flops" else self.bandwidth_share
        return "" if share is None else f"{share:.1%}"

    def to_dict(self) -> dict[str, Any]:
        """Return rates, peaks and shares as plain JSON values."""
        names = ("flops", "bytes_per_second", "peak_flops", "bandwidth", "busy", "flops_share", "bandwidth_share")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        busy = "" if self.busy is None else f"busy {100 * self.busy:.1f} %"
        rates = f"{self.flops / 1e9:.1f} GFLOPS, {self.bytes_per_second / 1e9:.1f} GB/s"
        if self.peak_flops is None or self.bandwidth is None:
            return f"{busy}, {rates}; name a device for the share of its peak".removeprefix(", ")
        flops = f"{100 * self.flops / self.peak_flops:.1f} % of the peak's FLOPS "
        flops += f"({self.flops / 1e9:.1f} of {self.peak_flops / 1e9:.1f} GFLOPS)"
        moved = f"{100 * self.bytes_per_second / self.bandwidth:.1f} % of the bandwidth "
        moved += f"({self.bytes_per_second / 1e9:.1f} of {self.bandwidth / 1e9:.1f} GB/s)"
        return f"{busy}, but {flops} and {moved}".removeprefix(", but ")

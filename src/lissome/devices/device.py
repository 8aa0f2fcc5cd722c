"""What a chip can do at most: operations and bytes a second."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from lissome.core.errors import SettingError

DeviceKind = Literal["cpu", "gpu", "npu"]
Precision = Literal["float32", "float16", "bfloat16", "int8"]

BYTES_OF: Mapping[str, int] = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
"""Bytes that one number of a precision takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The two roofs of a chip, and what a network should know of it.

    Args:
        name: Its name in `DEVICES`, or "this".
        title: What it is sold as.
        kind: cpu, gpu or npu.
        peak_flops_per_s: Greatest operations a second of each precision it computes in; one multiply-add is two.
        bytes_per_s: Greatest bytes a second between memory and chip.
        cache_bytes: Sizes of its caches, from the innermost; empty where unknown.
        cache_bytes_per_s: Greatest bytes a second of each cache; empty where unknown.
        channel_multiple: Channels in multiples of this fill its vectors.
        year: Year it appeared.
        threads: Threads that the figures are about; None where that means nothing.
        features: What engines may use: "int8 dot product", "bf16" …
        sources: Where each figure comes from, by its name.

    Raises:
        SettingError: A figure is not above 0, a precision is unknown, or a figure has no source.

    Example:
        >>> chip = Device(name="a", title="A", kind="cpu", peak_flops_per_s={"float32": 8e9}, bytes_per_s=4e9,
        ...               sources={"float32": "data sheet", "bytes_per_s": "data sheet"})
        >>> chip.ridge("float32")
        2.0
    """

    name: str
    title: str
    kind: DeviceKind
    peak_flops_per_s: Mapping[str, float]
    bytes_per_s: float
    cache_bytes: tuple[int, ...] = ()
    cache_bytes_per_s: tuple[float, ...] = ()
    channel_multiple: int = 1
    year: int | None = None
    threads: int | None = None
    features: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        figures = {**self.peak_flops_per_s, "bytes_per_s": self.bytes_per_s, "channel_multiple": self.channel_multiple}
        wrong = [name for name, value in figures.items() if not value > 0]
        unknown = [name for name in self.peak_flops_per_s if name not in BYTES_OF]
        nameless = [name for name in (*self.peak_flops_per_s, "bytes_per_s") if not self.sources.get(name)]
        if self.kind not in get_args(DeviceKind):
            raise SettingError(f"kind is {self.kind!r}", where=self.name, fix="choose cpu, gpu or npu")
        if not self.peak_flops_per_s or wrong or unknown:
            raise SettingError(
                f"no usable figure for {', '.join(wrong + unknown) or 'peak_flops_per_s'}",
                where=self.name,
                fix=f"give values above 0, for {', '.join(BYTES_OF)}",
            )
        if self.cache_bytes_per_s and len(self.cache_bytes_per_s) != len(self.cache_bytes):
            raise SettingError("the caches have other rates than sizes", where=self.name, fix="give a rate for each")
        if nameless:
            raise SettingError(f"{nameless[0]} has no source", where=self.name, fix="say where the figure comes from")

    @property
    def precision(self) -> str:
        """What it computes in unless told otherwise: float32 where it has that, else its first."""
        return "float32" if "float32" in self.peak_flops_per_s else next(iter(self.peak_flops_per_s))

    def bandwidth(self, size: float) -> float:
        """Return the bytes a second at which so many bytes are moved: those of the innermost cache that holds them.

        Args:
            size: Bytes, read and written.
        """
        levels = zip(self.cache_bytes, self.cache_bytes_per_s, strict=False)
        return next((rate for room, rate in levels if size <= room), self.bytes_per_s)

    def ridge(self, precision: str) -> float:
        """Return the FLOPs a byte above which arithmetic, not memory, is the limit."""
        return self.peak_flops_per_s[precision] / self.bytes_per_s

    def to_dict(self) -> dict[str, Any]:
        """Return the device as plain values."""
        table = {name: getattr(self, name) for name in self.__slots__}
        lists = {name: list(getattr(self, name)) for name in ("cache_bytes", "cache_bytes_per_s", "features")}
        return table | lists | {name: dict(getattr(self, name)) for name in ("peak_flops_per_s", "sources")}

"""What the machine at hand says of its caches and vectors."""

from pathlib import Path

from lissome.core.machine import describe_machine

_LANES = {"AVX-512": 16, "AVX2": 8, "NEON": 4}
_UNITS = {"K": 1 << 10, "M": 1 << 20}


def host_lanes() -> int:
    """Return how many float32 numbers a vector of the processor holds; 1 where unknown."""
    features = describe_machine()["features"]
    return next((lanes for feature, lanes in _LANES.items() if feature in features), 1)


def host_caches(folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> tuple[int, ...]:
    """Return the bytes of the first processor's data caches, innermost first; empty where the system does not say.

    Args:
        folder: Where Linux describes them.
    """
    sizes: dict[int, int] = {}
    for place in sorted(folder.glob("index*")):
        try:
            kind, level, size = ((place / name).read_text("utf-8").strip() for name in ("type", "level", "size"))
        except OSError:
            continue
        if kind in ("Data", "Unified") and size[:-1].isdigit() and size[-1] in _UNITS:
            sizes[int(level)] = int(size[:-1]) * _UNITS[size[-1]]
    return tuple(sizes[level] for level in sorted(sizes))

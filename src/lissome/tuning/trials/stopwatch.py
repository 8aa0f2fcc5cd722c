"""Times against the original, measured once and kept: what a search decides by can be read again."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock
from torch import nn

from lissome.core.errors import RunError
from lissome.core.files import write_text
from lissome.core.settings import key_of
from lissome.layers.fake_quantize import without_quantization
from lissome.profiling.latency_table import structure_key
from lissome.profiling.profile import Profile
from lissome.timing.measure import Timing
from lissome.timing.statistics import Interval

BASELINE, CANDIDATE = "original", "trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTime:
    """A time that is kept.

    Args:
        speedup: Over the original, by pairs.
        latency_ms: Median of the candidate.
        baseline_ms: Median of the original in the same rounds.
        rounds: Rounds that count.
    """

    speedup: Interval
    latency_ms: float
    baseline_ms: float
    rounds: int


class Stopwatch:
    """Times networks against the original, one at a time, and keeps each time under the network's structure.

    Two networks of the same layers and widths in the same numbers take the same time whatever their weights are, so the
    second is not timed.

    Args:
        folder: Where times are kept, one small file each.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def time(self, key: str, measure: Callable[[], Timing]) -> KeptTime:
        """Return the kept time, or measure it; while one process measures, others wait.

        Args:
            key: Of `time_key`.
            measure: Times `BASELINE` and `CANDIDATE` in pairs.

        Raises:
            RunError: A kept time cannot be read.
        """
        path = self._folder / f"{key}.json"
        if path.exists():
            return _read(path)
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / ".lock"):
            if path.exists():
                return _read(path)
            timing = measure()
            kept = KeptTime(
                speedup=timing.speedup(CANDIDATE, over=BASELINE),
                latency_ms=timing.latency(CANDIDATE).median_ms,
                baseline_ms=timing.latency(BASELINE).median_ms,
                rounds=timing.rounds,
            )
            write_text(path, json.dumps(asdict(kept), indent=1) + "\n")
            return kept


def time_key(model: nn.Module, cost: Profile, way: str, fingerprint: str) -> str:
    """Return what a time is kept under: the network's layers with their kinds of numbers, the way, and the machine.

    Args:
        model: The network.
        cost: Its profile, without quantization.
        way: Label of engine, precision, graph and options.
        fingerprint: Of the machine and the engine.
    """
    kinds = [type(one).__name__ for one in model.modules()]
    return key_of(structure_key(without_quantization(model), cost), kinds, way, fingerprint)


def _read(path: Path) -> KeptTime:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return KeptTime(**{**table, "speedup": Interval(**table["speedup"])})
    except (ValueError, TypeError, KeyError) as error:
        raise RunError("is no kept time", where=str(path), fix="remove it") from error

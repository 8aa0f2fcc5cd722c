"""A step that changes nothing and measures what those before it gained on an engine."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from lissome.core.context import Context, Need
from lissome.core.errors import SettingError, TooSlowError
from lissome.core.outcome import Note
from lissome.core.processes import processes
from lissome.core.step import Change, Step
from lissome.exporting.export import export
from lissome.runtimes.table import get_runtime
from lissome.timing.pinned import pinned
from lissome.timing.sessions import measure_sessions
from lissome.timing.statistics import Interval

_BEFORE, _AFTER = "original", "network"
_ELSEWHERE = Note("", "timed by the first process alone", applied=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureLatency(Step):
    """Time the network against the original on an engine, in pairs; the network stays as it is.

    Put between the steps of a recipe it shows what each of them gained. Both are exported and compared with their
    source first. Measured beside other work the ratio holds, the milliseconds do not.

    Args:
        runtime: The engine.
        threads: Threads of the engine, ≥ 1.
        seconds: Time for the pairs, > 0.
        require_speedup: Refuse a network that is not faster by this factor for sure (the low end of the interval), > 0;
            None takes any.

    Measurements:
        runtime, threads, latency_ms_before, latency_ms (medians), speedup (median, low, high of the 95 % interval) and
        rounds.

    Raises:
        SettingError: A number is out of its range.
        UnknownNameError: There is no such engine.
        EngineError: The engine is not installed, refuses a network, or computes something else.
        TooSlowError: The network is not as fast as `require_speedup` demands.

    Example:
        >>> MeasureLatency(runtime="ncnn").requires()[1].value
        'the uncompressed network as teacher'
    """

    runtime: str = "onnxruntime"
    threads: int = 1
    seconds: float = 5.0
    require_speedup: float | None = None

    def __post_init__(self) -> None:
        get_runtime(self.runtime)
        if self.threads < 1 or not self.seconds > 0:
            raise SettingError(
                f"threads is {self.threads}, seconds {self.seconds}",
                where="MeasureLatency",
                fix="choose at least one thread, and seconds above 0",
            )
        if self.require_speedup is not None and self.require_speedup <= 0:
            raise SettingError(
                f"require_speedup is {self.require_speedup}", where="MeasureLatency", fix="choose 1.2, say"
            )

    def requires(self) -> tuple[Need, ...]:
        """An example input, and the original to compare with."""
        return (Need.EXAMPLE, Need.ORIGINAL)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Export both, time them turn by turn; of several processes the first does, and the others keep quiet."""
        run = processes()
        change = self._timed(model, context) if run.is_first else Change(model, (_ELSEWHERE,))
        run.wait()
        return change

    def _timed(self, model: nn.Module, context: Context) -> Change:
        networks = {_BEFORE: context.require_original(), _AFTER: model}
        inputs = tuple(one[:1].numpy() for one in context.example_inputs())
        with tempfile.TemporaryDirectory(prefix="lissome-") as folder, pinned(self.threads):
            sessions = {}
            for name, network in networks.items():
                path = Path(folder, f"{name}.lissome")
                artifact = export(network, path, runtimes=[self.runtime], context=context)
                sessions[name] = artifact.session(self.runtime, threads=self.threads)
            timing = measure_sessions(sessions, *inputs, baseline=_BEFORE, seconds=self.seconds, seed=context.seed)
        speedup = timing.speedup(_AFTER)
        if self.require_speedup is not None:
            require_speedup(speedup, self.require_speedup, self.runtime)
        note = Note("", f"{speedup.median:.2f}x [{speedup.low:.2f}, {speedup.high:.2f}] on {self.runtime}")
        return Change(
            model,
            (note,),
            {
                "runtime": self.runtime,
                "threads": self.threads,
                "latency_ms_before": timing.latency(_BEFORE).median_ms,
                "latency_ms": timing.latency(_AFTER).median_ms,
                "speedup": speedup.to_dict(),
                "rounds": timing.rounds,
            },
        )


def require_speedup(speedup: Interval, wanted: float, engine: str) -> None:
    """Refuse what is not surely faster by a factor.

    Raises:
        TooSlowError: The low end of the interval does not exceed it.
    """
    if speedup.low <= wanted:
        raise TooSlowError(
            f"is {speedup.median:.2f}x as fast [{speedup.low:.2f}, {speedup.high:.2f}], not surely {wanted:g}x",
            where=engine,
            fix="choose another engine or format, ask for less, or keep the float network",
        )

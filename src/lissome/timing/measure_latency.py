"""A step that changes nothing and measures what those before it gained on an engine."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.outcome import Note
from lissome.core.step import Change, Step
from lissome.exporting.export import export
from lissome.runtimes.table import get_runtime
from lissome.timing.pinned import pinned
from lissome.timing.sessions import measure_sessions

_BEFORE, _AFTER = "original", "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureLatency(Step):
    """Time the network against the original on an engine, in pairs; the network stays as it is.

    Put between the steps of a recipe it shows what each of them gained. Both are exported and compared with their
    source first. Measured beside other work the ratio holds, the milliseconds do not.

    Args:
        runtime: The engine.
        threads: Threads of the engine, ≥ 1.
        seconds: Time for the pairs, > 0.

    Measurements:
        runtime, threads, latency_ms_before, latency_ms (medians), speedup (median, low, high of the 95 % interval) and
        rounds.

    Raises:
        SettingError: A number is out of its range.
        UnknownNameError: There is no such engine.
        EngineError: The engine is not installed, refuses a network, or computes something else.

    Example:
        >>> MeasureLatency(runtime="ncnn").requires()[1].value
        'the uncompressed network as teacher'
    """

    runtime: str = "onnxruntime"
    threads: int = 1
    seconds: float = 5.0

    def __post_init__(self) -> None:
        get_runtime(self.runtime)
        if self.threads < 1 or not self.seconds > 0:
            raise SettingError(
                f"threads is {self.threads}, seconds {self.seconds}",
                where="MeasureLatency",
                fix="choose at least one thread, and seconds above 0",
            )

    def requires(self) -> tuple[Need, ...]:
        """An example input, and the original to compare with."""
        return (Need.EXAMPLE, Need.ORIGINAL)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Export both, time them turn by turn."""
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

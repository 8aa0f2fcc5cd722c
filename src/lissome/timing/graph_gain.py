"""What an optimized graph gains on an engine: both in turn, by pairs."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from lissome.core.errors import SettingError
from lissome.exporting.graph_proof import noise_for, serialized
from lissome.runtimes.accuracy import Runs
from lissome.runtimes.plain_onnx import PlainOnnxSession
from lissome.runtimes.protocol import ReadsOnnx
from lissome.runtimes.table import get_runtime
from lissome.timing.measure import Timing
from lissome.timing.pinned import pinned
from lissome.timing.sittings import measure_sittings

BEFORE, AFTER = "before", "after"


def measure_graphs(
    graphs: dict[str, onnx.ModelProto],
    engine: str,
    *,
    baseline: str,
    seconds: float = 10.0,
    threads: int = 1,
    seed: int = 0,
) -> Timing:
    """Time ONNX graphs of the same inputs against each other, one sample a call, in sittings of their own.

    Args:
        graphs: By name.
        engine: A runtime that reads ONNX files.
        baseline: The graph that the others are compared with.
        seconds: Time for the rounds, > 0.
        threads: Threads of the engine.
        seed: Seed of the inputs and of the order of turns.

    Raises:
        SettingError: The engine does not read ONNX files.
        EngineError: It is not installed, or refuses a graph.
    """
    runtime = get_runtime(engine)
    if not isinstance(runtime, ReadsOnnx):
        raise SettingError("does not read ONNX files", where=engine, fix="choose onnxruntime or openvino")
    declared = PlainOnnxSession(serialized(graphs[baseline])).inputs
    single = [
        (name, type, tuple(1 if p == 0 and not isinstance(s, int) else s for p, s in enumerate(shape)))
        for name, type, shape in declared
    ]
    noise = [np.asarray(one, dtype=np.float32) for one in noise_for(single, seed).values()]
    with pinned(threads), tempfile.TemporaryDirectory() as folder:
        openers: dict[str, Callable[[], Runs]] = {}
        for name, graph in graphs.items():
            place = Path(folder, name)
            place.mkdir()
            (place / "given.onnx").write_bytes(serialized(graph))
            runtime.convert(place / "given.onnx", place)
            # The first is the graph's own: int8 where it is quantized, else float32.
            precision = runtime.offers(place)[0]
            openers[name] = partial(runtime.load, place, threads=threads, precision=precision)
        return measure_sittings(openers, *noise, baseline=baseline, seconds=seconds, seed=seed)

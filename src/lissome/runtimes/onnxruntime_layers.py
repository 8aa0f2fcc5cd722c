"""The time of each node in ONNX Runtime, by its own profiler."""

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from lissome.core.errors import EngineError
from lissome.runtimes.layer_clock import EngineLayer, LayerSeconds
from lissome.runtimes.onnxruntime import OnnxRuntime, session_options
from lissome.runtimes.protocol import Array, first_line

_KERNEL = "_kernel_time"


class OnnxRuntimeLayers:
    """A session with the profiler on; a node's time is that of its kernel, without the engine's own book-keeping.

    The profiler holds a million events at most, which is 10,000 runs of a network of 100 nodes.

    Args:
        folder: Where ``graph.onnx`` lies.
        threads: Threads of the engine.
    """

    def __init__(self, folder: Path, *, threads: int) -> None:
        OnnxRuntime().require()
        engine: Any = importlib.import_module(OnnxRuntime.module)
        options = session_options(engine, threads)
        options.enable_profiling = True
        self._folder = tempfile.TemporaryDirectory(prefix="lissome-layers-")
        options.profile_file_prefix = str(Path(self._folder.name, "profile"))
        path = str(folder / OnnxRuntime.files[0])
        try:
            self._session = engine.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the engine raises its own kinds
            raise EngineError(f"onnxruntime refuses the network: {first_line(error)}") from error
        self._inputs = [one.name for one in self._session.get_inputs()]
        self._runs = 0

    def run(self, *images: Array) -> None:
        """Run once, with the profiler on."""
        self._session.run(None, dict(zip(self._inputs, images, strict=True)))
        self._runs += 1

    def finish(self) -> LayerSeconds:
        """Read the profile that the engine wrote."""
        path = Path(self._session.end_profiling())
        try:
            events = json.loads(path.read_text(encoding="utf-8"))
        finally:
            self._folder.cleanup()
        return read_profile(events, runs=self._runs)


def read_profile(events: list[dict[str, Any]], *, runs: int) -> LayerSeconds:
    """Return the nodes and their times.

    Args:
        events: What the profiler wrote: one entry a node and run, in the order they ran, among others.
        runs: How many runs they are of.

    Raises:
        EngineError: The runs do not have the same nodes; events were dropped.

    Example:
        >>> event = {"cat": "Node", "name": "/conv/Conv_kernel_time", "dur": 5, "args": {"op_name": "Conv"}}
        >>> read_profile([event, {"cat": "Session", "name": "model_run"}, event], runs=2).seconds.shape
        (2, 1)
    """
    kernels = [one for one in events if one.get("cat") == "Node" and str(one.get("name", "")).endswith(_KERNEL)]
    count = len(kernels) // runs if runs else 0
    layers = tuple(_layer(one) for one in kernels[:count])
    if (
        not count
        or len(kernels) != count * runs
        or any(_layer(one) != layers[place % count] for place, one in enumerate(kernels))
    ):
        raise EngineError("onnxruntime's profile is not whole", fix="time fewer runs")
    seconds = np.array([float(one["dur"]) for one in kernels]).reshape(runs, count) * 1e-6
    return LayerSeconds(layers, seconds)


def _layer(event: dict[str, Any]) -> EngineLayer:
    return EngineLayer(str(event["name"]).removesuffix(_KERNEL), str(event["args"]["op_name"]))

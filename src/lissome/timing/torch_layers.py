"""The time of each call of a network in PyTorch, one after the other as eager mode runs them."""

import time
from typing import Any

import numpy as np
import torch
from torch import nn

from lissome.runtimes.layer_clock import EngineLayer, LayerSeconds
from lissome.runtimes.protocol import Array
from lissome.timing.source_graph import CallInterpreter, SourceGraph


class TorchLayers:
    """A network in PyTorch, timed call by call: one layer of the engine is one call of the source.

    Args:
        source: The network.
        threads: Threads of PyTorch, ≥ 1.
    """

    def __init__(self, source: SourceGraph, *, threads: int) -> None:
        self._interpreter = _Timed(source)
        self._layers = tuple(EngineLayer(one.layer, one.kind) for one in source.source_calls)
        self._threads = threads
        self._seconds: list[list[float]] = []

    def run(self, *images: Array) -> None:
        """Run once, with the clock on."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                self._seconds.append(self._interpreter.timed(*map(torch.tensor, images)))
        finally:
            torch.set_num_threads(before)

    def finish(self) -> LayerSeconds:
        """Return the times of all runs."""
        return LayerSeconds(self._layers, np.array(self._seconds, dtype=np.float64).reshape(-1, len(self._layers)))


class _Timed(CallInterpreter):
    """Runs the calls and keeps the time of each; fetching its inputs does not count."""

    def __init__(self, source: SourceGraph) -> None:
        super().__init__(source)
        self._row = [0.0] * len(source.source_calls)

    def timed(self, *inputs: Any) -> list[float]:
        self.run(*inputs)
        return list(self._row)

    def call(self, number: int, wrapped: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        start = time.perf_counter()
        value = wrapped(*args, **kwargs)
        self._row[number] = time.perf_counter() - start
        return value

"""The time of each layer in ncnn, by taking one blob after another out of the same extractor.

An extractor keeps what it has computed. So asking for the outputs of the layers in order runs one layer at a time, and
the time of a request is the time of a layer, with the few microseconds that a request takes. Blobs are left in the
engine's own packing (type 1 of `extract`), and light mode frees them when they have been read, as in a plain run.
"""

import importlib
import time
from pathlib import Path
from typing import Any

import numpy as np

from lissome.core.errors import EngineError
from lissome.runtimes.layer_clock import EngineLayer, LayerSeconds
from lissome.runtimes.ncnn import Ncnn, load_net
from lissome.runtimes.protocol import Array, SessionSettings

_AS_IT_IS, _UNPACKED = 1, 0


class NcnnLayers:
    """A network in ncnn, run layer by layer.

    Args:
        folder: Where ``ncnn/model.param`` and ``ncnn/model.bin`` lie.
        threads: Threads of the engine.
    """

    def __init__(self, folder: Path, *, threads: int) -> None:
        Ncnn().require()
        self._engine: Any = importlib.import_module(Ncnn.module)
        defaults = {name: values[0] for name, values in Ncnn.options.items()}
        settings = SessionSettings(threads=threads, precision=Ncnn().offers(folder)[0], options=defaults)
        self._net = load_net(self._engine, folder, settings)
        blobs = [one.name for one in self._net.blobs()]
        computing = [one for one in self._net.layers() if one.type != "Input" and one.tops]
        self._layers = tuple(EngineLayer(one.name, one.type) for one in computing)
        self._blobs = [blobs[one.tops[0]] for one in computing]
        self._seconds: list[list[float]] = []

    def run(self, *images: Array) -> None:
        """Run once, layer by layer."""
        extractor = self._started(images)
        row = []
        for blob in self._blobs:
            start = time.perf_counter()
            status, mat = extractor.extract(blob, _AS_IT_IS)
            row.append(time.perf_counter() - start)
            self._check(status, blob)
            del mat  # a second owner would make the next layer copy it instead of working in place
        self._seconds.append(row)

    def values(self, *images: Array) -> list[tuple[EngineLayer, Array]]:
        """Return what each layer computes, to tell which layers of the source network it stands for."""
        extractor = self._started(images)
        found = []
        for layer, blob in zip(self._layers, self._blobs, strict=True):
            status, mat = extractor.extract(blob, _UNPACKED)
            self._check(status, blob)
            found.append((layer, np.array(mat, dtype=np.float32)))
        return found

    def finish(self) -> LayerSeconds:
        """Return the times of all runs."""
        return LayerSeconds(self._layers, np.array(self._seconds, dtype=np.float64).reshape(-1, len(self._layers)))

    def _started(self, images: tuple[Array, ...]) -> Any:
        extractor = self._net.create_extractor()
        extractor.set_light_mode(True)
        for name, batch in zip(self._net.input_names(), images, strict=True):
            array = np.ascontiguousarray(batch[0], dtype=np.float32)  # named, since a Mat does not keep it alive
            extractor.input(name, self._engine.Mat(array).clone())
        return extractor

    @staticmethod
    def _check(status: int, blob: str) -> None:
        if status != 0:
            raise EngineError(f"ncnn stops at blob {blob} with status {status}")

"""How long each layer of an engine takes: one small protocol beside that of sessions, one engine a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lissome.core.names import choose, load_attribute
from lissome.runtimes.protocol import Array

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EngineLayer:
    """One layer as the engine has it: fused, split, or put in by the engine itself.

    Args:
        name: The engine's name for it.
        operator: The engine's kind of layer.
    """

    name: str
    operator: str


@dataclass(frozen=True, slots=True)
class LayerSeconds:
    """What a clock has seen.

    Args:
        layers: The engine's layers in the order they ran.
        seconds: Time of each layer in each run.

    Shape:
        seconds: (runs, layers).
    """

    layers: tuple[EngineLayer, ...]
    seconds: Floats


class LayerClock(Protocol):
    """A network loaded in an engine so that each of its layers is timed."""

    def run(self, *images: Array) -> None:
        """Run once, with the clock on.

        Shape:
            images: One float32 array (1, …) an input.
        """

    def finish(self) -> LayerSeconds:
        """Return the times of all runs; the clock cannot run again.

        Raises:
            EngineError: The engine did not write down what it did.
        """


class ClockMaker(Protocol):
    """Loads a network into a clock."""

    def __call__(self, folder: Path, *, threads: int) -> LayerClock:
        """Load the engine's files below a folder.

        Raises:
            EngineError: The engine refuses the files.
        """


LAYER_CLOCKS: Mapping[str, str] = {
    "onnxruntime": "lissome.runtimes.onnxruntime_layers:OnnxRuntimeLayers",
    "ncnn": "lissome.runtimes.ncnn_layers:NcnnLayers",
}
"""Engines that can time their layers: name to "module:class"."""


def get_layer_clock(name: str) -> ClockMaker:
    """Return what loads a network so that its layers are timed.

    Raises:
        UnknownNameError: That engine cannot; says which can.

    Example:
        >>> get_layer_clock("ncnn").__name__
        'NcnnLayers'
    """
    maker: ClockMaker = load_attribute(choose(LAYER_CLOCKS, name, "layer clock"))
    return maker

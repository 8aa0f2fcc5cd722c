"""The small networks that layers are measured in, and how they are timed."""

import copy
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.core.seeded import seeded
from lissome.data.task import Task
from lissome.exporting.converters import CONVERTERS, Examples
from lissome.profiling.layer_kinds import LayerKind
from lissome.runtimes.protocol import Array
from lissome.runtimes.table import get_runtime
from lissome.timing.device import EngineFiles, ThisMachine, TimingDevice, Turns
from lissome.timing.measure import Timing

Widths = tuple[int, int]
Shape = tuple[int, ...]

_FEW, _MANY = 1, 3
"""How often a pair of layers is stacked; the difference is free of what a call costs besides."""
_LEAST_MS = 1e-5
_QUIET = 25
"""Percentile of the rounds that stands for all: what disturbs a call only ever makes it longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerBench:
    """Times layers and networks on one engine, one pinned thread, on this machine or a device.

    Args:
        runtime: The engine.
        precision: "int8" quantizes first, for engines that compute so.
        seconds: Time for each kind of layer, and for a network, > 0.
        seed: Seed of weights and turns.
        device: What times them.

    Raises:
        SettingError: `seconds` is not above 0.
        UnknownNameError: There is no such engine.

    Example:
        >>> LayerBench(runtime="ncnn", seconds=0.5).precision
        'float32'
    """

    runtime: str = "onnxruntime"
    precision: Literal["float32", "int8"] = "float32"
    seconds: float = 5.0
    seed: int = 0
    device: TimingDevice = field(default_factory=ThisMachine)

    def __post_init__(self) -> None:
        get_runtime(self.runtime)
        if not self.seconds > 0:
            raise SettingError(f"seconds is {self.seconds}", where="LayerBench", fix="choose a value above 0")

    def layers(self, kind: LayerKind, cells: Sequence[Widths]) -> dict[Widths, float]:
        """Return the milliseconds of one call of a layer in several widths.

        Args:
            kind: What the layer is apart from its widths.
            cells: Channels read and made.
        """
        # There and back is back and there: one measurement serves both.
        pairs = {(one, two): (min(one, two), max(one, two)) if kind.is_repeatable else (one, two) for one, two in cells}
        networks: dict[str, tuple[nn.Module, Shape]] = {}
        # The engine's time does not depend on the weights, as long as they are ordinary numbers.
        with seeded(self.seed):
            for pair in dict.fromkeys(pairs.values()):
                for label, network in _networks(kind, *pair).items():
                    networks[f"{pair} {label}"] = (network, _shape(kind, pair[0]))
        timing = self._time(networks)
        layers = 2 * (_MANY - _FEW) if kind.is_repeatable else 1
        found = {}
        for cell, pair in pairs.items():
            more, less = (np.percentile(timing.samples_ms[f"{pair} {label}"], _QUIET) for label in ("more", "less"))
            found[cell] = max(_LEAST_MS, float(more - less) / layers)
        return found

    def network(self, model: nn.Module, shape: Shape) -> float:
        """Return the milliseconds of one call of a network, likewise.

        Args:
            model: The network.
            shape: Shape of one image, (C, H, W).
        """
        timing = self._time({"network": (copy.deepcopy(model), shape)})
        return float(np.percentile(timing.samples_ms["network"], _QUIET))

    def _time(self, networks: Mapping[str, tuple[nn.Module, Shape]]) -> Timing:
        with tempfile.TemporaryDirectory(prefix="lissome-layers-") as temporary:
            files = {}
            for number, (name, (network, shape)) in enumerate(networks.items()):
                folder = Path(temporary, str(number))
                folder.mkdir()
                CONVERTERS[self.runtime](self._prepared(network, shape), Examples((torch.zeros(1, *shape),)), folder)
                files[name] = EngineFiles(engine=self.runtime, folder=folder, inputs=(_image(shape, self.seed),))
            return self.device.time(files, Turns(seconds=self.seconds, seed=self.seed)).require()

    def _prepared(self, network: nn.Module, shape: Shape) -> nn.Module:
        generator = torch.Generator().manual_seed(self.seed)
        network.eval()
        if self.precision == "float32":
            return network
        images = TensorDataset(torch.randn(32, *shape, generator=generator), torch.arange(32) % 2)
        task = Task.from_loaders(DataLoader(images), DataLoader(images))
        return Quantize(images=16).apply(network, Context(task, seed=self.seed)).model


def _networks(kind: LayerKind, reads: int, makes: int) -> dict[str, nn.Module]:
    """Return a network with more of the layer in it, and one with less."""
    if not kind.is_repeatable:
        return {"more": nn.Sequential(*_head(kind), kind.build(reads, makes), nn.ReLU()), "less": nn.ReLU()}
    return {
        label: nn.Sequential(
            *_head(kind),
            *(
                layer
                for _ in range(times)
                for one, other in ((reads, makes), (makes, reads))
                for layer in (kind.build(one, other), nn.ReLU())
            ),
        )
        for label, times in (("more", _MANY), ("less", _FEW))
    }


def _head(kind: LayerKind) -> list[nn.Module]:
    return [nn.Flatten()] if kind.is_linear else []


def _shape(kind: LayerKind, reads: int) -> Shape:
    return (reads, 1, 1) if kind.is_linear else (reads, *kind.size)


def _image(shape: Shape, seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal((1, *shape)).astype(np.float32)

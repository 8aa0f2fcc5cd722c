"""Times for advice, taken on the machine at hand instead of predicted."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import BatchTransform, Context
from lissome.core.errors import LissomeError
from lissome.core.preprocessing import Preprocessing
from lissome.profiling.profile import Profile
from lissome.timing.time_layers import time_layers


def measured_rows(
    model: nn.Module,
    cost: Profile,
    input: Sequence[int] | Tensor | tuple[Tensor, ...],
    *,
    on: str,
    seconds: float,
) -> list[float]:
    """Return the measured time of each row of a profile.

    A fused layer's time is that of its costliest row, the others take 0: that is what they cost there. What the engine
    does on its own account (changes of layout) is spread over all in proportion, so that the sum is the engine's.

    Args:
        model: The network.
        cost: Its profile.
        input: Shape of its input, or example tensors.
        on: The engine.
        seconds: Time for the rounds.
    """
    times = time_layers(model, input, on=on, seconds=seconds)
    places: dict[str, list[int]] = {}
    for place, row in enumerate(cost.rows):
        places.setdefault(row.layer, []).append(place)
    taken: Counter[str] = Counter()
    found = [0.0] * len(cost.rows)
    own = 0.0
    for layer in times.rows:
        mine = []
        for name in layer.layers:
            calls = places.get(name, [])
            mine += calls[taken[name] : taken[name] + 1] or calls[-1:]
            taken[name] += 1
        if mine:
            found[max(mine, key=lambda place: (cost.rows[place].macs, cost.rows[place].bytes_moved))] += (
                layer.latency_ms
            )
        else:
            own += layer.latency_ms
    whole = sum(found)
    scale = (whole + own) / whole if whole else 1.0
    return [one * scale for one in found]


def measured_int8_ms(
    model: nn.Module, inputs: Sequence[Sequence[int]], *, on: str, seconds: float, seed: int = 0
) -> float | None:
    """Return the time of the network in int8 on an engine; None where it cannot be had there.

    The ranges are calibrated on noise, which changes the network's answers and not its time.

    Args:
        model: A float network.
        inputs: Shapes of its inputs.
        on: The engine; one that is given the float network in any case has no int8 to measure.
        seconds: Time for the rounds.
        seed: Seed of the noise.
    """
    if len(inputs) != 1:
        return None
    try:
        noise = _NoiseTask(tuple(inputs[0]))
        quantized = Quantize(images=4).apply(model, Context(noise, seed=seed)).model
        times = time_layers(quantized, tuple(inputs[0]), on=on, seconds=seconds)
    except LissomeError:
        return None
    return times.layers_ms if times.precision == "int8" else None


@dataclass(frozen=True, slots=True)
class _NoiseSplit:
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return 4

    def batches(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        transform: BatchTransform | None = None,
        limit: int | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        count = min(batch_size, limit or len(self), len(self))
        yield torch.randn(count, *self.shape[1:], generator=generator), torch.zeros(count, dtype=torch.long)


class _NoiseTask:
    """Data that mean nothing: enough to find ranges that do not overflow."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.train = self.validation = self.test = _NoiseSplit(shape)
        self.classes = 2
        channels = shape[1]
        self.preprocessing = Preprocessing(
            channels=channels, height=shape[2], width=shape[3], mean=(0.0,) * channels, std=(1.0,) * channels
        )

    def loss(self, output: Tensor, labels: Tensor) -> Tensor:
        return output.float().mean() * math.nan

    def metric(self, output: Tensor, labels: Tensor) -> Tensor:
        return torch.zeros(len(labels))

"""Measure a table of layer times on an engine: small networks of one kind of layer in many widths, in turn."""

import os
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.core.progress import Progress, Silent
from lissome.profiling.latency_table import LatencyTable
from lissome.profiling.layer_kinds import LayerKind, kinds_in
from lissome.profiling.profile import profile
from lissome.timing.layer_bench import LayerBench, Widths
from lissome.timing.layer_table import add_network, fill_table


def measure_layers(
    model: nn.Module,
    input: Sequence[int] | Tensor,
    path: str | os.PathLike[str],
    *,
    bench: LayerBench | None = None,
    multiple_of: int = 8,
    widths: int = 4,
    progress: Progress | None = None,
) -> LatencyTable:
    """Measure how long the layers of a network take with fewer channels, and write the table.

    Layers that keep the size are stacked, there and back between the two widths, and what one pair more costs is
    halved; others are measured alone, less a network that does nothing. All widths of a kind are timed turn by turn, on
    one pinned thread. What the file holds already, from the same engine and machine, is not measured again.

    Args:
        model: The network.
        input: Shape of its input with a batch of 1, or an example.
        path: The .json file; read first if it is there.
        bench: Engine, precision, and time for each kind; None is onnxruntime in float32.
        multiple_of: Widths are multiples of this, and those that the network has.
        widths: About how many widths of each layer's input and output, ≥ 2.
        progress: Who watches.

    Raises:
        SettingError: A number is out of its range.
        BadDataError: The file holds times of another engine, precision or machine.
        EngineError: The engine is not installed or refuses a layer.
    """
    if multiple_of < 1 or widths < 2:
        raise SettingError(
            f"multiple_of is {multiple_of}, widths {widths}",
            where="measure_layers",
            fix="choose multiple_of ≥ 1, widths ≥ 2",
        )
    watcher = progress or Silent()
    example = input if isinstance(input, Tensor) else torch.zeros(tuple(input))
    cost = profile(model, example)
    bench = bench or LayerBench()
    wanted: dict[LayerKind, set[Widths]] = {}
    for _, kind, reads, makes in kinds_in(model, cost):
        wanted.setdefault(kind, set()).update(_grid(kind, reads, makes, multiple_of, widths))
    times = fill_table(path, wanted, bench, watcher)
    return add_network(path, times, model, cost, example, bench)


def _grid(kind: LayerKind, reads: int, makes: int, multiple_of: int, widths: int) -> Iterator[Widths]:
    """Yield the pairs of widths to measure."""
    if kind.groups == 0:
        yield from ((one, one) for one in _steps(reads, multiple_of, widths))
        return
    for one in _steps(reads, multiple_of, widths):
        for other in _steps(makes, multiple_of, widths):
            if one % kind.groups == 0 and other % kind.groups == 0:
                yield one, other


def _steps(channels: int, multiple_of: int, widths: int) -> list[int]:
    """Return about so many widths up to the full one.

    Example:
        >>> _steps(64, 8, 4), _steps(20, 8, 4), _steps(3, 8, 4)
        ([16, 32, 48, 64], [8, 16, 20], [3])
    """
    multiples = list(range(multiple_of, channels + 1, multiple_of))
    every = max(1, round(len(multiples) / widths))
    return sorted({*multiples[every - 1 :: every], channels})

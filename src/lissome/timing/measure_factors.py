"""Measure the layers that factorizations could make, so that they can choose by time."""

import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lissome.compression.factorization.factorize_convs import FactorizeConvs
from lissome.compression.factorization.factorize_linear import FactorizeLinear
from lissome.core.progress import Progress, Silent
from lissome.profiling.latency_table import LatencyTable
from lissome.profiling.layer_kinds import LayerKind, kinds_in
from lissome.profiling.profile import profile
from lissome.timing.layer_bench import LayerBench, Widths
from lissome.timing.layer_table import add_network, fill_table


def measure_factors(
    model: nn.Module,
    input: Sequence[int] | Tensor,
    path: str | os.PathLike[str],
    steps: Sequence[FactorizeConvs | FactorizeLinear],
    *,
    bench: LayerBench | None = None,
    progress: Progress | None = None,
) -> LatencyTable:
    """Measure a network's layers as they are and as the chains that factorizations could make, and write the table.

    The file is that of `measure_layers`, measured in the same way; what it holds already is not measured again. Give
    it to the steps as their `objective`.

    Args:
        model: The network.
        input: Shape of its input with a batch of 1, or an example.
        path: The .json file; read first if it is there.
        steps: The factorizations that are to be chosen among; their method, `multiple_of` and `skip` count.
        bench: Engine, precision, and time for each kind of layer; None is onnxruntime in float32.
        progress: Who watches.

    Raises:
        BadDataError: The file holds times of another engine, precision or machine.
        EngineError: The engine is not installed or refuses a layer.
    """
    example = input if isinstance(input, Tensor) else torch.zeros(tuple(input))
    cost = profile(model, example)
    bench = bench or LayerBench()
    wanted: dict[LayerKind, set[Widths]] = {}
    for _, kind, reads, makes in kinds_in(model, cost):
        wanted.setdefault(kind, set()).add((reads, makes))
    for step in steps:
        for piece in step.pieces(model, (example,)):
            wanted.setdefault(piece.kind, set()).add((piece.reads, piece.makes))
    times = fill_table(path, wanted, bench, progress or Silent())
    return add_network(path, times, model, cost, example, bench)

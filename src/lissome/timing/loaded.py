"""A module loaded in an engine: converted, proved against the source, then opened."""

import copy
from pathlib import Path

from torch import Tensor, nn

from lissome.core.step import require_finite
from lissome.exporting.export import check_runtimes
from lissome.exporting.proving import convert_and_prove
from lissome.exporting.samples import Samples
from lissome.runtimes.protocol import Session
from lissome.runtimes.table import get_runtime


def prove(model: nn.Module, inputs: tuple[Tensor, ...], runtime: str, folder: Path) -> None:
    """Write an engine's files for a module and compare what they compute with it.

    Args:
        model: A module; left as it was.
        inputs: Example inputs (N, …); the first of each is used.
        runtime: The engine.
        folder: Where the files go.

    Raises:
        UnknownNameError: No engine has that name.
        EngineError: The engine is not installed, refuses the network, or computes something else.
    """
    check_runtimes((runtime,))
    source = copy.deepcopy(model).eval()
    require_finite(source)
    # Twice the same sample: a batch that was baked in shows.
    pair = tuple(one[:1].repeat(2, *(1 for _ in one.shape[1:])) for one in inputs)
    convert_and_prove(runtime, source, Samples(pair, "noise"), folder, None)


def load_proved(
    model: nn.Module, inputs: tuple[Tensor, ...], runtime: str, folder: Path, *, threads: int = 1
) -> Session:
    """Convert, prove and open: see `prove`. Call it inside of `pinned`."""
    prove(model, inputs, runtime, folder)
    return get_runtime(runtime).load(folder, threads=threads)

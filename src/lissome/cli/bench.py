"""The command that times artifacts."""

from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, Seed, counts_of, names_of, show


def bench(
    artifacts: Annotated[list[Path], typer.Argument(help=".lissome files; the others are compared with the first.")],
    *,
    runtime: Annotated[str, typer.Option(help="Engines, separated by commas, or all.")] = "all",
    threads: Annotated[str, typer.Option(help="Numbers of threads, separated by commas.")] = "1",
    seconds: Annotated[float, typer.Option(min=0.1, help="Time for each engine and number of threads.")] = 5.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Time artifacts on their engines, in turn: min, median, max of one image."""
    from lissome.runtimes.artifact import load
    from lissome.timing.bench import bench as time_artifacts

    names = None if runtime == "all" else names_of(runtime, "--runtime")
    counts = counts_of(threads, "--threads")
    result = time_artifacts(
        [load(one) for one in artifacts], threads=counts, runtimes=names, seconds=seconds, seed=seed
    )
    show(result, result.to_dict(), as_json=as_json)

"""The command that repeats what an artifact claims."""

from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, Seed, names_of, show


def verify(
    artifact: Annotated[Path, typer.Argument(help="A .lissome file.")],
    *,
    runtime: Annotated[str, typer.Option(help="Engines, separated by commas, or all.")] = "all",
    seconds: Annotated[float, typer.Option(min=0.1, help="Time for the latency of each engine.")] = 2.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Check every byte, run each engine on the stored samples, compare, and time it: exit code 1 where one differs."""
    from lissome.timing.verify import verify as check

    names = None if runtime == "all" else names_of(runtime, "--runtime")
    result = check(artifact, runtimes=names, seconds=seconds, seed=seed)
    show(result, result.to_dict(), as_json=as_json)
    if not result.passed:
        raise typer.Exit(1)

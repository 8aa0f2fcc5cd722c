"""The command that times artifacts, or networks of the catalog on every engine."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, Seed, counts_of, names_of, shape_of, show
from lissome.core.errors import SettingError


def bench(
    artifacts: Annotated[
        list[Path] | None, typer.Argument(help=".lissome files; the others are compared with the first.")
    ] = None,
    *,
    models: Annotated[str | None, typer.Option(help="Networks instead of files: names, or all.")] = None,
    input: Annotated[str | None, typer.Option(help="Input shape of the networks; the catalog's without it.")] = None,
    engines: Annotated[str, typer.Option("--engines", "--runtime", help="Names, or all.")] = "all",
    precisions: Annotated[str, typer.Option(help="Precisions of networks, or all.")] = "float32",
    threads: Annotated[str, typer.Option(help="Numbers of threads, separated by commas.")] = "1",
    seconds: Annotated[float, typer.Option(min=0.1, help="Time for each set that is timed in turn.")] = 5.0,
    loops: Annotated[int, typer.Option(min=3, help="Fewest rounds. Networks only.")] = 20,
    warmup: Annotated[int, typer.Option(min=1, help="Calls before anything counts. Networks only.")] = 3,
    cooldown: Annotated[float, typer.Option(min=0.0, help="Seconds of rest between networks.")] = 0.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Time artifacts, or whole networks of the catalog, on engines, in turn: min, median, max of one image."""
    names = None if engines == "all" else names_of(engines, "--engines")
    counts = counts_of(threads, "--threads")
    if (models is None) == (not artifacts):
        raise SettingError("takes files or --models, one of the two", where="bench", fix="give x.lissome or --models")
    if artifacts:
        from lissome.runtimes.artifact import load
        from lissome.timing.bench import bench as time_artifacts

        files = [load(one) for one in artifacts]
        result = time_artifacts(files, threads=counts, runtimes=names, seconds=seconds, seed=seed)
        show(result, result.to_dict(), as_json=as_json)
        return
    from lissome.cli.progress import TerminalProgress
    from lissome.core.names import choose
    from lissome.models.catalog import CATALOG
    from lissome.models.create import create
    from lissome.timing.bench_models import Pace, bench_models

    chosen = tuple(CATALOG) if models == "all" else names_of(models or "", "--models")
    for name in chosen:
        choose(CATALOG, name, "model")
    shape = shape_of(input) if input else None
    networks = {name: (partial(create, name, seed=seed), shape or (1, *CATALOG[name].input)) for name in chosen}
    pace = Pace(rounds=loops, warmup=warmup, seconds=seconds, cooldown_seconds=cooldown)
    wanted = None if precisions == "all" else names_of(precisions, "--precisions")
    with TerminalProgress(quiet=as_json) as progress:
        result = bench_models(
            networks, engines=names, precisions=wanted, threads=counts, pace=pace, seed=seed, progress=progress
        )
    show(result, result.to_dict(), as_json=as_json)

"""The command that shows what an engine cannot run, and what it costs to run that elsewhere."""

from typing import Annotated

import typer

from lissome.cli.options import AsJson, Classes, Data, Input, Model, Seed, Weights, shape_of, show


def partition(
    model: Model,
    *,
    on: Annotated[str, typer.Option(help="The engine that is to run as much as it can.")],
    rest: Annotated[str, typer.Option(help="The engine that runs what is left.")] = "torch",
    plugins: Annotated[
        str | None,
        typer.Option(help="path/to/file.py:function giving functions by the layer or operator they stand for."),
    ] = None,
    weights: Weights = None,
    classes: Classes = None,
    data: Data = None,
    input: Input = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each engine.")] = 1,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Cut a network where an engine cannot run it, run the rest elsewhere, and show the cuts and their cost."""
    from lissome.cli.arguments import context_of, find_model, find_plugins
    from lissome.cli.progress import TerminalProgress
    from lissome.exporting.partition import partition as cut

    network = find_model(model, weights, classes)
    functions = find_plugins(plugins) if plugins else None
    with TerminalProgress(quiet=as_json) as progress:
        context = context_of(model, data, shape_of(input) if input else None, seed, progress)
        found = cut(network, on, context, rest=rest, plugins=functions, threads=threads)
    show(found, {**found.to_dict(), "name": model}, as_json=as_json)

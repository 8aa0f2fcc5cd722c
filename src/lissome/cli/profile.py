"""The command that shows what a network costs."""

from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, Classes, Input, Model, Weights, shapes_of, show

Device = Annotated[
    str | None, typer.Option(help="A name of `lissome list devices`, or this: the machine at hand, measured.")
]
Convention = Annotated[
    str, typer.Option(help="macs (conv and fully connected), formula (FLOPs of everything), or torchstat.")
]
Measure = Annotated[bool, typer.Option("--measure", help="Time each layer in PyTorch, one thread: its duration.")]
Batch = Annotated[int | None, typer.Option(help="Images at once.")]
Sort = Annotated[
    str | None,
    typer.Option(help="The greatest first: params, macs, flops, bytes_moved, memory_bytes, ms, measured_ms …"),
]
Top = Annotated[int | None, typer.Option(help="So many lines, the others summed up.")]
Depth = Annotated[int | None, typer.Option(help="One line for each module of this depth.")]
Csv = Annotated[Path | None, typer.Option(help="Write the lines to this file, as comma-separated values.")]
Html = Annotated[Path | None, typer.Option(help="Write a page with roofline, bars and memory to this file.")]


def profile(
    model: Model,
    *,
    input: Input = None,
    classes: Classes = None,
    weights: Weights = None,
    device: Device = None,
    convention: Convention = "macs",
    batch: Batch = None,
    measure: Measure = False,
    sort: Sort = None,
    top: Top = None,
    depth: Depth = None,
    csv: Csv = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Show what a network costs, layer by layer: operations, bytes, memory, and its time on a device."""
    from dataclasses import replace

    from lissome.cli.arguments import find_model
    from lissome.core.errors import SettingError
    from lissome.core.files import write_text
    from lissome.models.catalog import CATALOG
    from lissome.profiling.profile import profile as count

    network = find_model(model, weights, classes)
    entry = CATALOG.get(model)
    if input is None and entry is None:
        raise SettingError("the input shape is not known", where=model, fix="add --input 1x3x224x224")
    shapes = shapes_of(input) if input else ((1, *entry.input),)  # type: ignore[union-attr]
    cost = count(network, shapes, device=device, convention=convention, batch=batch)  # type: ignore[arg-type]
    cost = replace(cost, name=model)
    if measure:
        from lissome.timing.time_layers import time_layers

        if len(shapes) > 1:
            raise SettingError("a network of several inputs is not timed by layers", where=model, fix="drop --measure")
        shape = shapes[0] if batch is None else (batch, *shapes[0][1:])
        timing = time_layers(network, shape, on="torch")
        cost = cost.with_durations([(row.layers[0], row.latency_ms) for row in timing.rows if row.layers])
    table = cost.table(sort=sort, top=top, depth=depth)
    if csv is not None:
        try:
            write_text(csv, cost.csv(sort=sort, top=top, depth=depth))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise SettingError(f"cannot be written: {reason}", where=str(csv), fix="give another file") from error
    if html is not None:
        from lissome.reports.report import report

        report(html, cost)
    show(table, cost.to_dict(), as_json=as_json)

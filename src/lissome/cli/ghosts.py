"""The command that shows which feature maps repeat each other."""

from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, Classes, Data, Input, Model, Seed, Weights, shape_of, show


def ghosts(
    model: Model,
    *,
    data: Data = None,
    weights: Weights = None,
    classes: Classes = None,
    input: Input = None,
    threshold: Annotated[float, typer.Option(help="From which similarity on a channel repeats another.")] = 0.9,
    images: Annotated[int, typer.Option(min=1, help="At most so many validation images.")] = 64,
    html: Annotated[Path | None, typer.Option(help="An HTML page to write, with the maps as pictures.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Show which channels of each layer repeat each other on real images."""
    from lissome.core.errors import SettingError

    if data is None:
        raise SettingError("is missing", where="--data", fix="give sample, cifar10, a folder or an .npz file")
    from lissome.advice.ghosts import ghosts as find
    from lissome.cli.arguments import find_model, find_task
    from lissome.reports.report import report

    task = find_task(data, shape_of(input) if input else None, seed)
    found = find(find_model(model, weights, classes), task, threshold=threshold, limit=images)
    written = f"\nwrote {report(html, found)}" if html else ""
    show(f"{found}{written}", {**found.to_dict(), "name": model}, as_json=as_json)

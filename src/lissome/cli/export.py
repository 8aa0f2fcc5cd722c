"""The command that converts and proves."""

from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, Classes, Data, Input, Model, On, Seed, Weights, names_of, shape_of, show


def export(
    model: Model,
    *,
    out: Annotated[Path, typer.Option(help="The .lissome file to write.")],
    weights: Weights = None,
    classes: Classes = None,
    data: Data = None,
    input: Input = None,
    on: On = "onnxruntime,ncnn",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Convert a network for engines, run each file, compare it with the network, and write one artifact."""
    import torch

    from lissome.cli.arguments import find_model, find_task
    from lissome.cli.progress import TerminalProgress
    from lissome.core.context import Context
    from lissome.core.errors import SettingError
    from lissome.exporting.export import export as write
    from lissome.models.catalog import CATALOG

    shape = shape_of(input) if input else None
    network = find_model(model, weights, classes)
    entry = CATALOG.get(model)
    with TerminalProgress(quiet=as_json) as progress:
        if data is not None:
            context = Context(find_task(data, shape, seed), seed=seed, progress=progress)
        elif shape or entry:
            example = torch.zeros(shape or (1, *entry.input))  # type: ignore[union-attr]
            context = Context(example=example, seed=seed, progress=progress)
        else:
            raise SettingError("the input shape is not known", where=model, fix="add --input 1x3x224x224 or --data")
        artifact = write(network, out, runtimes=names_of(on, "--on"), context=context)
    show(artifact, artifact.to_dict(), as_json=as_json)

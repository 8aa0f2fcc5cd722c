"""The command that converts and proves."""

from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, Classes, Data, Input, Model, On, Seed, Weights, names_of, shape_of, show
from lissome.core.errors import SettingError


def export(
    model: Model,
    *,
    out: Annotated[Path, typer.Option(help="The .lissome file to write.")],
    weights: Weights = None,
    classes: Classes = None,
    data: Data = None,
    input: Input = None,
    also: Annotated[str | None, typer.Option(help="Another input shape: rows and columns are then free.")] = None,
    on: On = "onnxruntime,ncnn",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Convert a network for engines, run each file, compare it with the network, and write one artifact."""
    if model.endswith(".onnx"):
        from lissome.exporting.export_onnx import export_onnx

        if weights or classes or data or input or also:
            raise SettingError("takes a graph alone", where=model, fix="give --on, --out and --seed")
        artifact = export_onnx(model, out, runtimes=names_of(on, "--on"), seed=seed)
        show(artifact, artifact.to_dict(), as_json=as_json)
        return
    from lissome.cli.arguments import context_of, find_model
    from lissome.cli.progress import TerminalProgress
    from lissome.exporting.export import export as write

    network = find_model(model, weights, classes)
    with TerminalProgress(quiet=as_json) as progress:
        context = context_of(model, data, shape_of(input) if input else None, seed, progress)
        other = shape_of(also) if also else None
        artifact = write(network, out, runtimes=names_of(on, "--on"), context=context, also=other)
    show(artifact, artifact.to_dict(), as_json=as_json)

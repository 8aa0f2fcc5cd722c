"""The command that optimizes an ONNX graph."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from lissome.cli.options import AsJson, Seed, Weights, names_of, show


def optimize(
    model: Annotated[str, typer.Argument(help="An .onnx file, or a name of `lissome list models`.")],
    *,
    out: Annotated[Path, typer.Option(help="The .onnx file to write.")],
    weights: Weights = None,
    on: Annotated[str | None, typer.Option(help="The engine that will run it: onnxruntime or openvino.")] = None,
    passes: Annotated[str | None, typer.Option(help="Only these passes, separated by commas.")] = None,
    explain: Annotated[bool, typer.Option(help="Say of each pass where it fired, where not, and why.")] = False,
    measure: Annotated[
        float | None, typer.Option(min=0.1, help="Time both graphs in pairs for so many seconds.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Rewrite an ONNX graph, prove each rewrite by running it, and say what was gained."""
    from lissome.core.errors import SettingError
    from lissome.exporting.optimize import optimize as rewrite

    if measure is not None and on is None:
        raise SettingError("needs an engine", where="--measure", fix="add --on onnxruntime")
    if out.suffix != ".onnx":
        raise SettingError(f"is {out}", where="--out", fix="give a name that ends in .onnx")
    if weights is not None and model.endswith(".onnx"):
        raise SettingError("are in the .onnx file already", where="--weights", fix="leave it out")
    chosen = names_of(passes, "--passes") if passes else None
    source: Any = model if model.endswith(".onnx") else _exported(model, weights)
    outcome = rewrite(source, passes=chosen, engine=on, seed=seed)
    outcome = replace(outcome, source=model)
    texts = [str(outcome)]
    if explain:
        texts.append(outcome.explain())
    if measure is not None and on is not None:
        from lissome.exporting.examine_onnx import read_onnx
        from lissome.timing.graph_gain import AFTER, BEFORE, measure_graphs

        before = read_onnx(source) if isinstance(source, str) else source
        timing = measure_graphs({BEFORE: before, AFTER: outcome.model}, on, baseline=BEFORE, seconds=measure, seed=seed)
        outcome = replace(outcome, measured=timing.to_dict())
        texts.append(str(timing))
    outcome.save(out)
    show("\n\n".join(texts), {**outcome.to_dict(), "out": str(out)}, as_json=as_json)


def _exported(name: str, weights: Path | None) -> Any:
    """Return a catalog network as an ONNX model."""
    import tempfile

    import onnx
    import torch

    from lissome.cli.arguments import find_model
    from lissome.exporting.to_onnx import to_onnx
    from lissome.models.catalog import CATALOG

    network = find_model(name, weights)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "graph.onnx")
        to_onnx(network, (torch.zeros(1, *CATALOG[name].input),), path)
        return onnx.load(path)

"""The command that quantizes a network of the user within an accuracy budget."""

from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, Classes, Data, Input, Model, On, Seed, Weights, names_of, shape_of, show
from lissome.core.errors import SettingError
from lissome.core.names import choose

_CALIBRATORS = {
    "min_max": "MinMax",
    "moving_average": "MovingAverage",
    "percentile": "Percentile",
    "mse": "MeanSquaredError",
    "entropy": "Entropy",
    "aciq": "Aciq",
}


def quantize(
    model: Model,
    *,
    out: Annotated[Path, typer.Option(help="The .lissome file to write.")],
    data: Data = None,
    weights: Weights = None,
    classes: Classes = None,
    input: Input = None,
    max_drop: Annotated[str, typer.Option(help="What the accuracy may lose, e.g. 0.5%.")] = "0.5%",
    bits: Annotated[int, typer.Option(min=2, max=8, help="Bits of the weights.")] = 8,
    calibrator: Annotated[str, typer.Option(help=f"One of {', '.join(_CALIBRATORS)}.")] = "min_max",
    images: Annotated[int, typer.Option(min=1, help="Training images to calibrate on.")] = 256,
    equalize: Annotated[bool, typer.Option("--equalize", help="Equalise layers first.")] = False,
    round: Annotated[bool, typer.Option("--round", help="Round by layer output (AdaRound) at the end.")] = False,
    on: On = "onnxruntime,ncnn",
    report: Annotated[Path | None, typer.Option(help="An HTML page to write.")] = None,
    run: Annotated[Path | None, typer.Option(help="Folder that keeps finished steps. Default: OUT.run")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last finished step.")] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Quantize a trained network, layer by layer within a budget, prove it on the engines, and measure it."""
    if data is None:
        raise SettingError("is missing", where="--data", fix="give sample, cifar10, a folder or an .npz file")
    if model.endswith(".onnx"):
        raise SettingError("ONNX files are not quantized yet", where=model, fix="give a network, or file.py:function")
    drop = _share_of(max_drop)
    kind = choose(_CALIBRATORS, calibrator, "calibrator")
    from lissome.cli.arguments import find_model, find_task
    from lissome.cli.main_job import Job, compress_and_prove
    from lissome.cli.progress import TerminalProgress
    from lissome.compression.quantization.ada_round import AdaRound
    from lissome.compression.quantization.correct_bias import CorrectBias
    from lissome.compression.quantization.equalize_layers import EqualizeLayers
    from lissome.compression.quantization.formats import Int8, Uniform
    from lissome.compression.quantization.quantize import Quantize
    from lissome.compression.quantization.quantize_within import QuantizeWithin
    from lissome.core.context import Context
    from lissome.core.names import load_attribute
    from lissome.core.recipe import Recipe
    from lissome.core.step import Step
    from lissome.tables import CALIBRATORS

    inner = Quantize(
        weights=Int8(per="channel") if bits == 8 else Uniform(bits=bits),
        calibrator=load_attribute(CALIBRATORS[kind])(),
        images=images,
    )
    before: tuple[Step, ...] = (EqualizeLayers(),) if equalize else ()
    recipe = Recipe(*before, QuantizeWithin(drop=drop, quantize=inner), AdaRound() if round else CorrectBias())
    job = Job(
        name=Path(model.partition(":")[0]).stem,
        runtimes=names_of(on, "--on"),
        artifact=out,
        run=run or out.with_name(f"{out.name}.run"),
        page=report,
        resume=resume,
        reproduce=f"lissome quantize {model} --data {data} --max-drop {max_drop} --bits {bits} --on {on} --seed {seed}",
    )
    with TerminalProgress(quiet=as_json) as progress:
        task = find_task(data, shape_of(input) if input else None, seed)
        for remark in task.remarks:
            progress.say(remark)
        context = Context(task, seed=seed, progress=progress)
        comparison = compress_and_prove(find_model(model, weights, classes), recipe, context, job)
    show(f"{comparison}\nwrote {out}", comparison.to_dict(), as_json=as_json)


def _share_of(text: str) -> float:
    """Read 0.5% or 0.005 as a share.

    Example:
        >>> _share_of("0.5%"), _share_of("0.01")
        (0.005, 0.01)
    """
    number, percent = (text[:-1], True) if text.endswith("%") else (text, False)
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise SettingError(f"{text!r} is no share", where="--max-drop", fix="write 0.5% or 0.005")
    return share

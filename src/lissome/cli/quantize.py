"""The command that quantizes a network of the user within an accuracy budget."""

from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, Classes, Data, Input, Model, Seed, Weights, names_of, numbers_of, share_of
from lissome.core.errors import SettingError
from lissome.core.names import choose

_CALIBRATORS = {
    "min_max": "MinMax",
    "moving_average": "MovingAverage",
    "percentile": "Percentile",
    "mse": "MeanSquaredError",
    "entropy": "Entropy",
    "aciq": "Aciq",
    "data_free": "DataFree",
}

_PIXELS = "Of an .onnx file, or without data"


def quantize(
    model: Model,
    *,
    out: Annotated[Path, typer.Option(help="The .lissome file to write.")],
    data: Data = None,
    weights: Weights = None,
    classes: Classes = None,
    input: Input = None,
    max_drop: Annotated[
        str | None, typer.Option(help="What the accuracy may lose, where there are data. Default: 0.5%")
    ] = None,
    bits: Annotated[int, typer.Option(min=2, max=8, help="Bits of the weights.")] = 8,
    calibrator: Annotated[str, typer.Option(help=f"One of {', '.join(_CALIBRATORS)}.")] = "min_max",
    images: Annotated[int, typer.Option(min=1, help="Training images to calibrate on.")] = 256,
    equalize: Annotated[bool, typer.Option("--equalize", help="Equalise layers first.")] = False,
    round: Annotated[bool, typer.Option("--round", help="Round by layer output (AdaRound) at the end.")] = False,
    pixel_scale: Annotated[float, typer.Option(help=f"{_PIXELS}: what pixels are divided by.")] = 255.0,
    mean: Annotated[str, typer.Option(help=f"{_PIXELS}: taken away then, one number or one a channel.")] = "0",
    std: Annotated[str, typer.Option(help=f"{_PIXELS}: divided by then.")] = "1",
    measure: Annotated[float, typer.Option(min=0, help="Of an .onnx file: seconds of timing an engine.")] = 5.0,
    require_speedup: Annotated[
        float | None, typer.Option(min=0.01, help="Write nothing that is not surely faster by this factor.")
    ] = None,
    on: Annotated[str | None, typer.Option(help="Engines. Default: onnxruntime,ncnn; without ncnn for ONNX.")] = None,
    report: Annotated[Path | None, typer.Option(help="An HTML page to write.")] = None,
    run: Annotated[Path | None, typer.Option(help="Folder that keeps finished steps. Default: OUT.run")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last finished step.")] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Quantize a trained network within a budget of accuracy, or an ONNX file, prove it on the engines, and measure."""
    kind = choose(_CALIBRATORS, calibrator, "calibrator")
    if data is None and kind != "DataFree":
        fix = "give sample, cifar10, a folder or an .npz file, or --calibrator data_free"
        raise SettingError("is missing", where="--data", fix=fix)
    from lissome.exporting.export import check_integers

    runtimes = names_of(on or ("onnxruntime" if model.endswith(".onnx") else "onnxruntime,ncnn"), "--on")
    check_integers(runtimes)
    if model.endswith(".onnx"):
        given = {
            "--weights": weights,
            "--classes": classes,
            "--input": input,
            "--max-drop": max_drop,
            "--run": run,
            "--report": report,
            "--resume": resume,
            "--equalize": equalize,
            "--round": round,
            "--bits": bits != 8,
        }
        for option, value in given.items():
            if value:
                raise SettingError("is for networks, not for ONNX files", where=option, fix="leave it out")
        if data is None or kind == "DataFree":
            what = "needs batch normalisation, which an ONNX file has folded away"
            raise SettingError(what, where="--calibrator data_free", fix="give --data and another calibrator")
        from lissome.cli.quantize_graph import GraphJob, quantize_file
        from lissome.core.names import load_attribute
        from lissome.tables import CALIBRATORS

        asked = GraphJob(
            source=model,
            out=out,
            data=data,
            calibrator=load_attribute(CALIBRATORS[kind])(),
            images=images,
            pixels=(pixel_scale, numbers_of(mean, "--mean"), numbers_of(std, "--std")),
            runtimes=runtimes,
            seconds=measure,
            require_speedup=require_speedup,
            seed=seed,
        )
        quantize_file(asked, as_json=as_json)
        return
    drop = share_of(max_drop or "0.5%", "--max-drop")
    if data is None:
        for option, unwanted in {"--max-drop": max_drop is not None, "--round": round}.items():
            if unwanted:
                raise SettingError("needs data", where=option, fix="give --data, or leave it out")
    from lissome.cli.main_job import Job, Named, compress_named
    from lissome.cli.quantizing import data_free, recipe_with_data, recipe_without_data
    from lissome.compression.quantization.formats import Int8, Uniform
    from lissome.compression.quantization.quantize import Quantize
    from lissome.core.names import load_attribute
    from lissome.tables import CALIBRATORS

    pixels = (pixel_scale, numbers_of(mean, "--mean"), numbers_of(std, "--std"))
    inner = Quantize(
        weights=Int8(per="channel") if bits == 8 else Uniform(bits=bits),
        calibrator=load_attribute(CALIBRATORS[kind])() if data else data_free(pixels),
        images=images,
    )
    if data is None:
        recipe = recipe_without_data(inner, runtimes, require_speedup, equalize=equalize)
    else:
        recipe = recipe_with_data(
            inner, runtimes, require_speedup, drop=drop, equalize=equalize, round=round, scan=report is not None
        )
    named_data = f"--data {data} --max-drop {max_drop or '0.5%'}" if data else "--calibrator data_free"
    job = Job(
        name=Path(model.partition(":")[0]).stem,
        runtimes=runtimes,
        artifact=out,
        run=run or out.with_name(f"{out.name}.run"),
        page=report,
        resume=resume,
        reproduce=f"lissome quantize {model} {named_data} --bits {bits} --seed {seed}",
    )
    named = Named(model=model, weights=weights, classes=classes, data=data, input=input)
    compress_named(named, recipe, job, seed=seed, as_json=as_json)

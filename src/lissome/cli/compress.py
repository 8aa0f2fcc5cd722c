"""The command that compresses a network of the user."""

from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, Classes, Data, Input, Model, On, Seed, Weights, names_of
from lissome.core.errors import BadRecipeError, SettingError


def compress(
    model: Model,
    *,
    out: Annotated[Path, typer.Option(help="The .lissome file to write.")],
    data: Data = None,
    weights: Weights = None,
    classes: Classes = None,
    input: Input = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe file; without one: prune, fine-tune, int8.")] = None,
    keep: Annotated[float, typer.Option(help="Fraction of channels that stay, without a recipe.")] = 0.5,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of fine-tuning, without a recipe.")] = 10,
    on: On = "onnxruntime,ncnn",
    report: Annotated[Path | None, typer.Option(help="An HTML page to write.")] = None,
    run: Annotated[Path | None, typer.Option(help="Folder that keeps finished steps. Default: OUT.run")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last finished step.")] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Compress a trained network by a recipe, prove it on the engines, and measure what was gained."""
    if data is None:
        raise SettingError("is missing", where="--data", fix="give sample, cifar10, a folder or an .npz file")
    if recipe is not None and not recipe.is_file():
        raise BadRecipeError("no such file", where=str(recipe))
    from lissome.cli.main_job import Job, Named, compress_named
    from lissome.compression.pruning.prune_channels import PruneChannels
    from lissome.compression.quantization.quantize import Quantize
    from lissome.core.recipe import Recipe
    from lissome.tables import recipe_from_toml
    from lissome.training.train import Train

    steps = (
        recipe_from_toml(recipe.read_text(encoding="utf-8"))
        if recipe
        else Recipe(PruneChannels(keep=keep), Train(epochs=epochs, teacher="original"), Quantize())
    )
    words: dict[str, object] = {"--data": data, "--weights": weights, "--classes": classes, "--input": input}
    words |= {"--recipe": recipe} if recipe else {"--keep": keep, "--epochs": epochs}
    words |= {"--on": on, "--seed": seed, "--out": out}
    job = Job(
        name=Path(model.partition(":")[0]).stem,
        runtimes=names_of(on, "--on"),
        artifact=out,
        run=run or out.with_name(f"{out.name}.run"),
        page=report,
        resume=resume,
        reproduce=" ".join([f"lissome compress {model}", *(f"{k} {v}" for k, v in words.items() if v is not None)]),
    )
    named = Named(model=model, weights=weights, classes=classes, data=data, input=input)
    compress_named(named, steps, job, seed=seed, as_json=as_json)

"""The command that compresses a network of the user: by a recipe, or by a search under limits."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lissome.cli.options import (
    AsJson,
    Classes,
    Data,
    Device,
    Input,
    Model,
    Python,
    Seed,
    Ssh,
    Weights,
    names_of,
    remote_of,
    shape_of,
    share_of,
    show,
)
from lissome.core.errors import BadRecipeError, SettingError

_PLAIN = "onnxruntime,ncnn"


def compress(
    model: Model,
    *,
    out: Annotated[Path, typer.Option(help="The .lissome file to write.")],
    data: Data = None,
    weights: Weights = None,
    classes: Classes = None,
    input: Input = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe file; without one: prune, fine-tune, int8.")] = None,
    keep: Annotated[float | None, typer.Option(help="Fraction of channels that stay, without a recipe: 0.5.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of fine-tuning, without a recipe: 10.")] = None,
    on: Annotated[str | None, typer.Option(help=f"Engines, separated by commas: {_PLAIN}, or the preset's.")] = None,
    max_drop: Annotated[str | None, typer.Option(help="Search: largest loss of accuracy, e.g. 1%.")] = None,
    max_ms: Annotated[float | None, typer.Option(help="Search: longest time of one image.")] = None,
    max_kib: Annotated[float | None, typer.Option(help="Search: most that the engine's files may take.")] = None,
    budget: Annotated[
        str | None, typer.Option(help="Search: its time or trials, e.g. 30m, 2h, 40t. Default: 30m.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Search: mobile, mcu, server or smallest-file.")] = None,
    layer_times: Annotated[
        Path | None, typer.Option(help="Search: cut by this table of `lissome measure-device`.")
    ] = None,
    without_labels: Annotated[
        bool, typer.Option("--without-labels", help="Search: agreement with the original is the accuracy.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Search: processes at the same time.")] = 1,
    storage: Annotated[str | None, typer.Option(help="Search: database that several machines share.")] = None,
    ray: Annotated[
        str | None, typer.Option(help="Search: Ray cluster of all workers but the first: local, auto, HOST:PORT.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Search: threads of the engines.")] = 1,
    device: Device = None,
    python: Python = "python3",
    ssh: Ssh = "ssh",
    report: Annotated[Path | None, typer.Option(help="An HTML page to write.")] = None,
    tensorboard: Annotated[Path | None, typer.Option(help="Folder for TensorBoard: curves of each training.")] = None,
    run: Annotated[Path | None, typer.Option(help="Folder that keeps finished steps. Default: OUT.run")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last finished step.")] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Compress a trained network by a recipe, or search for the best one within limits; prove and measure it.

    With a limit, a budget or a preset it searches; the search's folder stays, for `lissome watch` and for its records.
    With --device every time is measured there, through ssh; training and scoring happen here.
    """
    if data is None:
        raise SettingError("is missing", where="--data", fix="give sample, cifar10, a folder or an .npz file")
    if recipe is not None and not recipe.is_file():
        raise BadRecipeError("no such file", where=str(recipe))
    single: dict[str, object] = {"--recipe": recipe, "--keep": keep, "--epochs": epochs}
    searching: dict[str, object] = {
        **{"--max-drop": max_drop, "--max-ms": max_ms, "--max-kib": max_kib, "--budget": budget, "--preset": preset},
        **{
            "--without-labels": without_labels or None,
            "--storage": storage,
            "--layer-times": layer_times,
            "--ray": ray,
        },
        **{"--workers": workers if workers > 1 else None, "--threads": threads if threads > 1 else None},
    }
    is_search = _is_search(single, searching)
    common: dict[str, object] = {"--data": data, "--weights": weights, "--classes": classes, "--input": input}
    reach: dict[str, object] = {
        "--device": device,
        "--python": python if python != "python3" else None,
        "--ssh": shlex.quote(ssh) if ssh != "ssh" else None,
    }
    ends: dict[str, object] = {"--seed": seed, "--out": out}
    from lissome.cli.arguments import find_model, find_task
    from lissome.cli.progress import TerminalProgress

    remote = remote_of(device, python, ssh)
    curves = _curves(tensorboard)
    name, folder = Path(model.partition(":")[0]).stem, run or out.with_name(f"{out.name}.run")
    if is_search:
        from lissome.cli.search_job import SearchJob, budget_of, preset_of, search_and_prove

        chosen = preset_of(
            preset,
            names_of(on, "--on") if on else None,
            max_drop=None if max_drop is None else share_of(max_drop, "--max-drop"),
            max_ms=max_ms,
            max_kib=max_kib,
            layer_times=layer_times,
        )
        again = {**ends, "--out": out.with_name(f"again-{out.name}")}
        job = SearchJob(
            name=name,
            out=out,
            run=folder,
            preset=chosen,
            budget=budget_of(budget or "30m"),
            seed=seed,
            workers=workers,
            storage=storage,
            ray=ray,
            threads=threads,
            without_labels=without_labels,
            device=remote,
            page=report,
            resume=resume,
            reproduce=(
                _command(model, {**common, "--on": on, **searching, **reach, **ends}),
                _command(model, {**common, "--recipe": out.with_suffix(".toml"), "--on": ",".join(chosen.on), **again}),
                f"lissome watch {folder} --once --page {out.with_suffix('.html')}",
            ),
            curves=curves,
        )
        with TerminalProgress(quiet=as_json) as progress:
            task = find_task(data, shape_of(input) if input else None, seed)
            found = search_and_prove(find_model(model, weights, classes), task, job, progress)
        show(f"{found}\nwrote {out} and {out.with_suffix('.toml')}", found.to_dict(), as_json=as_json)
        return
    from lissome.cli.main_job import Job, Named, compress_named

    engines = on or _PLAIN
    share = 0.5 if keep is None else keep
    words = {"--recipe": recipe} if recipe else {"--keep": share, "--epochs": epochs or 10}
    recipe_job = Job(
        name=name,
        runtimes=names_of(engines, "--on"),
        artifact=out,
        run=folder,
        device=remote,
        page=report,
        resume=resume,
        reproduce=_command(model, {**common, **words, "--on": engines, **reach, **ends}),
        curves=curves,
    )
    named = Named(model=model, weights=weights, classes=classes, data=data, input=input)
    compress_named(named, _recipe(recipe, share, epochs or 10), recipe_job, seed=seed, as_json=as_json)


def _is_search(single: Mapping[str, object], searching: Mapping[str, object]) -> bool:
    """Tell whether the options ask for a search; refuse a mixture."""
    one = [name for name, value in single.items() if value is not None]
    other = [name for name, value in searching.items() if value is not None]
    if one and other:
        raise SettingError(
            f"{one[0]} names one recipe and {other[0]} searches for one", where="compress", fix="leave one of them out"
        )
    return bool(other)


def _command(model: str, words: Mapping[str, object]) -> str:
    said = (name if value is True else f"{name} {value}" for name, value in words.items() if value is not None)
    return " ".join([f"lissome compress {model}", *said])


def _curves(folder: Path | None) -> Any:
    from lissome.training.tensorboard import TensorBoard

    return TensorBoard(folder) if folder else None


def _recipe(path: Path | None, keep: float, epochs: int) -> Any:
    from lissome.compression.pruning.prune_channels import PruneChannels
    from lissome.compression.quantization.quantize import Quantize
    from lissome.core.recipe import Recipe
    from lissome.tables import recipe_from_toml
    from lissome.training.train import Train

    if path:
        return recipe_from_toml(path.read_text(encoding="utf-8"))
    return Recipe(PruneChannels(keep=keep), Train(epochs=epochs, teacher="original"), Quantize())

"""The command that finds the quickest way to run a network on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, Classes, Data, Input, Seed, Weights, names_of, shape_of, share_of, show
from lissome.core.errors import SettingError


def build(
    model: Annotated[str, typer.Argument(help="A name of `lissome list models`, or file.py:function.")] = "",
    *,
    out: Annotated[Path | None, typer.Option(help="The .lissome file to write.")] = None,
    retune: Annotated[Path | None, typer.Option(help="Choose anew, on this machine, in this .lissome file.")] = None,
    weights: Weights = None,
    classes: Classes = None,
    data: Data = None,
    input: Input = None,
    engines: Annotated[str, typer.Option(help="Engines, separated by commas, or auto.")] = "auto",
    precisions: Annotated[str, typer.Option(help="float32, float16, bfloat16, int8; or auto.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the engines.")] = 1,
    max_drop: Annotated[str, typer.Option(help="Largest loss of accuracy by lower precision.")] = "1%",
    seconds: Annotated[float, typer.Option(min=0.1, help="Time for the measurement.")] = 10.0,
    keep_all: Annotated[bool, typer.Option("--keep-all", help="Keep the files of every engine.")] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Try engines, precisions and options, keep the quickest that agrees, and write it with its measurements."""
    if retune is not None:
        if model or out is not None:
            raise SettingError("takes a file and no model", where="--retune", fix="give the .lissome file alone")
        from lissome.tuning.retune import retune as choose_anew

        found = choose_anew(retune, threads=threads, seconds=seconds, seed=seed)
        show(f"{found}\nwrote {retune}", found.to_dict(), as_json=as_json)
        return
    if not model or out is None:
        raise SettingError("names no model or no --out", where="build", fix="write build MODEL --out x.lissome")
    from lissome.cli.arguments import context_of, find_model
    from lissome.cli.progress import TerminalProgress
    from lissome.tuning.budget import Budget
    from lissome.tuning.build import build as try_all

    budget = Budget(max_drop=share_of(max_drop, "--max-drop"), seconds=seconds, keep="all" if keep_all else "fastest")
    network = find_model(model, weights, classes)
    with TerminalProgress(quiet=as_json) as progress:
        context = context_of(model, data, shape_of(input) if input else None, seed, progress)
        found = try_all(
            network,
            out,
            engines=None if engines == "auto" else names_of(engines, "--engines"),
            precisions=None if precisions == "auto" else names_of(precisions, "--precisions"),
            threads=threads,
            context=context,
            budget=budget,
        )
    show(f"{found}\nwrote {out}", found.to_dict(), as_json=as_json)

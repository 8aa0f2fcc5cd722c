"""The command that says which network suits a device."""

from typing import Annotated

import typer

from lissome.cli.options import AsJson, Seconds, names_of, show


def recommend(
    *,
    device: Annotated[str | None, typer.Option(help="A name of `lissome list devices`, or this.")] = None,
    max_ms: Annotated[float | None, typer.Option(help="Greatest time of one image.")] = None,
    max_kib: Annotated[float | None, typer.Option(help="Greatest size of the weights.")] = None,
    min_top1: Annotated[float | None, typer.Option(help="Least published top-1 accuracy, percent.")] = None,
    dataset: Annotated[str, typer.Option(help="What the accuracy is about: imagenet, cifar10 …")] = "imagenet",
    models: Annotated[str | None, typer.Option(help="Names of the catalog, separated by commas; default all.")] = None,
    on: Annotated[str, typer.Option(help='The engine to measure on, where the device is "this".')] = "onnxruntime",
    predict: Annotated[
        bool, typer.Option("--predict", help='Predict the times of "this" instead of measuring.')
    ] = False,
    seconds: Seconds = 1.0,
    as_json: AsJson = False,
) -> None:
    """Rank the catalog for a device by time, published accuracy and size, and show the Pareto front."""
    from lissome.advice.recommend import Requirement
    from lissome.advice.recommend import recommend as rank
    from lissome.cli.progress import TerminalProgress
    from lissome.core.errors import SettingError

    if device is None:
        raise SettingError("is missing", where="--device", fix="give a name of `lissome list devices`")
    limits = Requirement(max_ms=max_ms, max_kib=max_kib, min_top1=min_top1)
    measure_on = on if device == "this" and not predict else None
    with TerminalProgress(quiet=as_json or measure_on is None) as progress:
        found = rank(
            device,
            limits,
            dataset=dataset,
            measure_on=measure_on,
            models=None if models is None else names_of(models, "--models"),
            seconds=seconds,
            progress=progress,
        )
    show(found, found.to_dict(), as_json=as_json)

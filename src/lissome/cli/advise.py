"""The command that says what to do about a network."""

from typing import Annotated

import typer

from lissome.cli.options import AsJson, Classes, Data, Input, Model, Seconds, Seed, Weights, shape_of, show


def advise(
    model: Model,
    *,
    device: Annotated[
        str | None, typer.Option(help="A name of `lissome list devices`, or this. Default with --measure: this.")
    ] = None,
    input: Input = None,
    classes: Classes = None,
    weights: Weights = None,
    data: Data = None,
    measure: Annotated[bool, typer.Option("--measure", help="Take times on this machine, not the roofline's.")] = False,
    on: Annotated[str, typer.Option(help="The engine to measure on.")] = "onnxruntime",
    seconds: Seconds = 5.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Say which rules a network breaks on a device, what each costs, and which step helps."""
    from lissome.cli.arguments import find_input, find_model, find_task
    from lissome.core.errors import SettingError

    if device is None and not measure:
        raise SettingError("is missing", where="--device", fix="give a name of `lissome list devices`, or --measure")
    from lissome.advice.advise import advise as ask

    given = shape_of(input) if input else None
    shape = find_input(model, given)
    images = None if data is None else find_task(data, shape, seed)
    found = ask(
        find_model(model, weights, classes),
        shape,
        device=device,
        images=images,
        measure=on if measure else None,
        seconds=seconds,
    )
    show(found, {**found.to_dict(), "name": model}, as_json=as_json)

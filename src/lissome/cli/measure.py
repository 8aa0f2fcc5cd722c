"""The command that times a network layer by layer, and its throughput."""

from typing import Annotated, Literal

import typer

from lissome.cli.options import (
    AsJson,
    Classes,
    Input,
    Model,
    On,
    Seconds,
    Seed,
    Weights,
    counts_of,
    names_of,
    shape_of,
    show,
)


def measure(
    model: Model,
    *,
    input: Input = None,
    classes: Classes = None,
    weights: Weights = None,
    on: On = "onnxruntime",
    threads: Annotated[int, typer.Option(min=1, help="Threads of each engine.")] = 1,
    batches: Annotated[
        str | None, typer.Option(help="Time these batch sizes, e.g. 1,2,4,8, instead of layers.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help='Compare with the peaks of this device; "this" measures the machine at hand.')
    ] = None,
    sort: Annotated[Literal["execution", "time"], typer.Option(help="Order of the layers.")] = "execution",
    top: Annotated[int | None, typer.Option(min=1, help="Show at most so many layers.")] = None,
    seconds: Seconds = 5.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Time a network on engines, layer by layer or over batch sizes, and say what share of the peak that is."""
    from lissome.cli.arguments import find_input, find_model

    engines = names_of(on, "--on")
    shape = find_input(model, shape_of(input) if input else None)
    network = find_model(model, weights, classes)
    if batches is not None:
        from lissome.timing.throughput import throughput

        sizes = counts_of(batches, "--batches")
        rates = throughput(network, shape, on=engines, batches=sizes, threads=threads, seconds=seconds, seed=seed)
        show(rates, {**rates.to_dict(), "name": model}, as_json=as_json)
        return
    from lissome.profiling.find_device import device_of
    from lissome.timing.time_layers import check_engine, time_layers

    for engine in engines:
        check_engine(engine)
    chip = None if device is None else device_of(device)
    found = [
        time_layers(network, shape, on=engine, threads=threads, seconds=seconds, device=chip, seed=seed)
        for engine in engines
    ]
    text = "\n\n".join(one.table(by=sort, top=top) for one in found)
    show(text, {"name": model, "engines": [{**one.to_dict(), "name": model} for one in found]}, as_json=as_json)

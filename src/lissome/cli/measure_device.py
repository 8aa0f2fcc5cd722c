"""The command that times layers by their widths: the table that pruning and searches go by."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lissome.cli.options import (
    AsJson,
    Classes,
    Device,
    Input,
    Model,
    Python,
    Seconds,
    Seed,
    Ssh,
    Weights,
    remote_of,
    shape_of,
    show,
)


def measure_device(
    model: Model,
    *,
    out: Annotated[Path, typer.Option(help="The .json table; what it holds already is not timed again.")],
    on: Annotated[str, typer.Option(help="The engine.")] = "onnxruntime",
    input: Input = None,
    classes: Classes = None,
    weights: Weights = None,
    precision: Annotated[Literal["float32", "int8"], typer.Option(help="What it computes in.")] = "float32",
    multiple_of: Annotated[int, typer.Option(min=1, help="Widths are multiples of this.")] = 8,
    widths: Annotated[int, typer.Option(min=2, help="About how many widths of each layer.")] = 4,
    device: Device = None,
    python: Python = "python3",
    ssh: Ssh = "ssh",
    seconds: Seconds = 5.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Time a network's layers against their channel counts, here or on a device, and keep the table.

    Searches (`lissome compress --layer-times FILE`) and the objective LatencyTable of a recipe cut by it.
    """
    from lissome.cli.arguments import find_input, find_model
    from lissome.cli.progress import TerminalProgress
    from lissome.timing.device import ThisMachine
    from lissome.timing.layer_bench import LayerBench
    from lissome.timing.measure_layers import measure_layers

    bench = LayerBench(
        runtime=on,
        precision=precision,
        seconds=seconds,
        seed=seed,
        device=remote_of(device, python, ssh) or ThisMachine(),
    )
    shape = find_input(model, shape_of(input) if input else None)
    network = find_model(model, weights, classes)
    with TerminalProgress(quiet=as_json) as progress:
        table = measure_layers(
            network, shape, out, bench=bench, multiple_of=multiple_of, widths=widths, progress=progress
        )
    times = table.times()
    cells = sum(map(len, times.kinds.values()))
    known = bench.device.facts([on]).fingerprints[on]
    text = (
        f"{out}: {cells} layers of {len(times.kinds)} kinds and {len(times.networks)} networks on {times.engine} "
        f"{times.engine_version}, {times.precision}, machine {known}, digest {table.digest}"
    )
    show(text, {**times.to_dict(), "digest": table.digest, "fingerprint": known}, as_json=as_json)

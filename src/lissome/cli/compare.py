"""The command that puts two networks beside each other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lissome.cli.options import AsJson, Classes, Data, Input, Seconds, Seed, names_of, shape_of, show

if TYPE_CHECKING:
    from torch import nn

    from lissome.runtimes.artifact import Artifact

_HELP = "A name of `lissome list models`, path/to/file.py:function, or a .lissome file."


def compare(
    first: Annotated[str, typer.Argument(help=_HELP)],
    second: Annotated[str, typer.Argument(help=_HELP)],
    *,
    first_weights: Annotated[Path | None, typer.Option(help="Trained weights of the first network.")] = None,
    second_weights: Annotated[Path | None, typer.Option(help="Trained weights of the second network.")] = None,
    classes: Classes = None,
    input: Input = None,
    data: Data = None,
    on: Annotated[str | None, typer.Option(help="Engines to measure time and accuracy on.")] = None,
    seconds: Seconds = 8.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Compare two networks or artifacts: parameters, bytes, MACs, accuracy, measured time, as factor and percent."""
    from lissome.cli.arguments import find_input, find_task
    from lissome.timing.side_by_side import compare as put

    given = shape_of(input) if input else None
    engines = names_of(on, "--on") if on else ()
    sides = [_find(first, first_weights, classes), _find(second, second_weights, classes)]
    task = None if data is None else find_task(data, given, seed)
    named = [one for one in (first, second) if not one.endswith(".lissome")]
    if given is None and task is None and len(named) == 2:
        given = find_input(named[0], None)
    names = (first, second) if first != second else (first, f"{second} (2)")
    found = put(*sides, input=given, task=task, on=engines, names=names, seconds=seconds)
    show(found, found.to_dict(), as_json=as_json)


def _find(name: str, weights: Path | None, classes: int | None) -> "nn.Module | Artifact":
    from lissome.cli.arguments import find_model
    from lissome.core.errors import SettingError
    from lissome.runtimes.artifact import load

    if not name.endswith(".lissome"):
        return find_model(name, weights, classes)
    if weights is not None:
        raise SettingError("an artifact has its own weights", where=name, fix="leave the weights out")
    return load(name)

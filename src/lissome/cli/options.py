"""Options that several commands share, and how results leave a command."""

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from lissome.core.errors import SettingError

Model = Annotated[str, typer.Argument(help="A name of `lissome list models`, or path/to/file.py:function.")]
Weights = Annotated[Path | None, typer.Option(help="Trained weights: .safetensors, .pt, .pth or .th.")]
Classes = Annotated[int | None, typer.Option(min=1, help="Number of classes, where it is not the catalog's.")]
Data = Annotated[
    str | None,
    typer.Option(help="sample, cifar10, a folder of images, an .npz file, or path/to/file.py:function giving a Task."),
]
Input = Annotated[str | None, typer.Option(help="Input shape, e.g. 1x3x96x96.")]
On = Annotated[str, typer.Option(help="Engines, separated by commas.")]
Seconds = Annotated[float, typer.Option(min=0.01, help="Time for each measurement.")]
Seed = Annotated[int, typer.Option(help="Whence all randomness comes.")]
Device = Annotated[str | None, typer.Option(help="Measure there, through ssh: ssh://user@host.")]
Python = Annotated[str, typer.Option(help="The Python of the device that has the engine.")]
Ssh = Annotated[str, typer.Option(help="The ssh program with its options.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def show(result: object, table: Any, *, as_json: bool) -> None:
    """Print a result as text, or its plain values as JSON."""
    typer.echo(json.dumps(table, indent=2, ensure_ascii=False) if as_json else str(result))


def remote_of(device: str | None, python: str, ssh: str) -> Any:
    """Return the device that was named, or None for this machine.

    Raises:
        SettingError: It is no address, or the Python or ssh is none.
    """
    if device is None:
        return None
    from lissome.timing.remote import Remote

    return Remote(url=device, python=python, ssh=tuple(shlex.split(ssh)))


def shape_of(text: str) -> tuple[int, ...]:
    """Read a shape.

    Raises:
        SettingError: It is no shape, or has an empty side.

    Example:
        >>> shape_of("1x3x96x96")
        (1, 3, 96, 96)
    """
    parts = text.lower().split("x")
    if not all(part.isdigit() and int(part) > 0 for part in parts) or len(parts) not in (3, 4):
        raise SettingError(f"{text!r} is no input shape", where="--input", fix="write 1x3x96x96 or 3x96x96")
    sides = tuple(int(part) for part in parts)
    return sides if len(sides) == 4 else (1, *sides)


def shapes_of(text: str) -> tuple[tuple[int, ...], ...]:
    """Read the shapes of several inputs, separated by commas; one that is no image has any number of sides.

    Raises:
        SettingError: One is no shape, or has an empty side.

    Example:
        >>> shapes_of("3x96x96"), shapes_of("1x3x96x96,1x10")
        (((1, 3, 96, 96),), ((1, 3, 96, 96), (1, 10)))
    """
    if "," not in text:
        return (shape_of(text),)
    shapes = [part.lower().split("x") for part in text.split(",")]
    if not all(side.isdigit() and int(side) > 0 for shape in shapes for side in shape):
        raise SettingError(f"{text!r} holds no input shapes", where="--input", fix="write 1x3x96x96,1x10")
    return tuple(tuple(int(side) for side in shape) for shape in shapes)


def names_of(text: str, option: str) -> tuple[str, ...]:
    """Read names separated by commas.

    Raises:
        SettingError: There is none.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise SettingError("names nothing", where=option, fix="give names separated by commas")
    return names


def counts_of(text: str, option: str) -> tuple[int, ...]:
    """Read whole numbers above 0, separated by commas.

    Raises:
        SettingError: One is no such number.
    """
    names: Iterable[str] = names_of(text, option)
    if not all(name.isdigit() and int(name) > 0 for name in names):
        raise SettingError(f"{text!r} is no list of whole numbers", where=option, fix="write 1,2")
    return tuple(int(name) for name in names)


def numbers_of(text: str, option: str) -> tuple[float, ...]:
    """Read numbers separated by commas.

    Raises:
        SettingError: One is no number.

    Example:
        >>> numbers_of("0.485,0.456,0.406", "--mean")
        (0.485, 0.456, 0.406)
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SettingError(f"{text!r} is no list of numbers", where=option, fix="write 0.5 or 0.5,0.5,0.5") from None


def share_of(text: str, option: str) -> float:
    """Read a share, as a percentage or a number in [0, 1).

    Raises:
        SettingError: It is neither.

    Example:
        >>> share_of("1%", "--max-drop"), share_of("0.01", "--max-drop")
        (0.01, 0.01)
    """
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise SettingError(f"{text!r} is no share", where=option, fix="write 1% or 0.01")
    return share

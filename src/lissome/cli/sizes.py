"""The command that shows what each tensor of an artifact takes."""

from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, show


def sizes(
    artifact: Annotated[Path, typer.Argument(help="A .lissome file.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show what each tensor takes: raw, zipped, packed, in bits a weight, and above its entropy."""
    from lissome.runtimes.artifact import load
    from lissome.runtimes.sizes import sizes as sizes_of

    result = sizes_of(load(artifact))
    show(result, result.to_dict(), as_json=as_json)

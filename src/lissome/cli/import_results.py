"""The command that reads what a bundle measured on a device."""

from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, show


def import_results(
    results: Annotated[Path, typer.Argument(help="What a bundle wrote: `python3 x.pyz > results.json`.")],
    *,
    into: Annotated[
        list[Path] | None, typer.Option(help="Artifacts that were in the bundle: keep the figures in their cards.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a bundle measured on a device, and keep it in the artifacts it was made of."""
    from lissome.timing.device_results import DeviceResults

    found = DeviceResults.read(results)
    for one in into or ():
        found.keep_in(one, one.stem)
    show(found, found.to_dict(), as_json=as_json)

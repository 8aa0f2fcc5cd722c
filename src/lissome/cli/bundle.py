"""The command that packs networks for a device, and runs them there where ssh reaches it."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, Device, Python, Seconds, Seed, Ssh, remote_of, show
from lissome.core.errors import SettingError


def bundle(
    artifacts: Annotated[list[Path], typer.Argument(help="The .lissome files; others are compared with the first.")],
    *,
    out: Annotated[Path | None, typer.Option(help="The .pyz file to write: `python3 FILE > results.json`.")] = None,
    device: Device = None,
    on: Annotated[str | None, typer.Option(help="The engine; default: what each was tuned for.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the engine there.")] = 1,
    python: Python = "python3",
    ssh: Ssh = "ssh",
    results: Annotated[Path | None, typer.Option(help="Also write what came back, for import-results.")] = None,
    seconds: Seconds = 10.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Pack networks and a runner that needs the engine's package alone; with --device, run them there.

    Copied by hand: run `python3 FILE > results.json` on the device, then `lissome import-results results.json` here.
    """
    if out is None and device is None:
        raise SettingError("is missing", where="--out", fix="give --out x.pyz, or --device ssh://user@host")
    from lissome.runtimes.artifact import load
    from lissome.timing.bundle import pip_line, write_bundle

    remote = remote_of(device, python, ssh)
    loaded = {one.stem: load(one) for one in artifacts}
    if len(loaded) < len(artifacts):
        raise SettingError("two files have one name", where="bundle", fix="rename one of them")
    with tempfile.TemporaryDirectory(prefix="lissome-") as folder:
        path = write_bundle(
            loaded, out or Path(folder, "bundle.pyz"), engine=on, threads=threads, seconds=seconds, seed=seed
        )
        if remote is None:
            needs = pip_line(loaded.values(), on)
            text = f"wrote {path}; on the device: {needs}, then python3 {path.name} > results.json"
            show(text, {"path": str(path), "bytes": path.stat().st_size, "needs": needs}, as_json=as_json)
            return
        found = remote.run(path)
    if results:
        found.write(results)
    show(found, found.to_dict(), as_json=as_json)

"""The command that shows the main job on embedded data."""

from pathlib import Path
from typing import Annotated

import typer

from lissome.cli.options import AsJson, On, Seed, names_of, show


def demo(
    *,
    out: Annotated[Path, typer.Option(help="Folder for result.json, report.html and the artifact.")] = Path("demo"),
    on: On = "onnxruntime,ncnn",
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last finished step.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compress a trained CIFAR-10 ResNet-20 and prove it on two engines: needs no data and no network."""
    from lissome.cli.arguments import find_model
    from lissome.cli.main_job import Job, compress_and_prove
    from lissome.cli.progress import TerminalProgress
    from lissome.core.context import Context
    from lissome.data import sample
    from lissome.tables import recipe_from_toml

    chosen = sample()
    recipe = recipe_from_toml(Path(__file__).with_name("demo.toml").read_text(encoding="utf-8"))
    job = Job(
        name="resnet20",
        runtimes=names_of(on, "--on"),
        artifact=out / "resnet20.lissome",
        run=out / "run",
        result=out / "result.json",
        page=out / "report.html",
        resume=resume,
        reproduce=f"lissome demo --out {out} --on {on} --seed {seed}",
    )
    with TerminalProgress(quiet=as_json) as progress:
        context = Context(chosen.task, seed=seed, progress=progress)
        comparison = compress_and_prove(find_model("resnet20", chosen.weights_path), recipe, context, job)
    written = "\n".join(f"wrote {one}" for one in (job.result, job.page, job.artifact))
    show(f"{comparison}\n{written}", comparison.to_dict(), as_json=as_json)

"""The commands by name."""

import typer

from lissome.cli.advise import advise
from lissome.cli.bench import bench
from lissome.cli.build import build
from lissome.cli.bundle import bundle
from lissome.cli.compare import compare
from lissome.cli.compress import compress
from lissome.cli.demo import demo
from lissome.cli.doctor import doctor
from lissome.cli.export import export
from lissome.cli.ghosts import ghosts
from lissome.cli.import_results import import_results
from lissome.cli.list import list_table
from lissome.cli.measure import measure
from lissome.cli.measure_device import measure_device
from lissome.cli.optimize import optimize
from lissome.cli.partition import partition
from lissome.cli.profile import profile
from lissome.cli.quantize import quantize
from lissome.cli.recommend import recommend
from lissome.cli.sizes import sizes
from lissome.cli.verify import verify
from lissome.cli.watch import watch

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Make a trained CNN small and fast for a small device, and prove it on the engine that will run it.",
)
app.command()(demo)
app.command()(profile)
app.command()(measure)
app.command(name="measure-device")(measure_device)
app.command()(advise)
app.command()(ghosts)
app.command()(recommend)
app.command()(compare)
app.command()(compress)
app.command()(watch)
app.command()(quantize)
app.command()(export)
app.command()(optimize)
app.command()(partition)
app.command()(build)
app.command()(bench)
app.command()(bundle)
app.command(name="import-results")(import_results)
app.command()(verify)
app.command()(sizes)
app.command(name="list")(list_table)
app.command()(doctor)

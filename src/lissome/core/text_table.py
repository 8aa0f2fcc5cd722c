"""Tables as text, for results that print themselves."""

import textwrap
from collections.abc import Iterable, Sequence
from io import StringIO


def render(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", left: int = 1) -> str:
    """Return a table as text; the first `left` columns are aligned left, the others right.

    Example:
        >>> print(render(("layer", "params"), [("conv", "27")]))
        layer   params
        --------------
        conv        27
    """
    # Loaded here, since what runs on a device times and does not draw.
    from rich.box import Box
    from rich.console import Console
    from rich.table import Table

    box = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
    table = Table(title=title or None, title_justify="left", box=box, pad_edge=False, padding=(0, 1))
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(str(cell).replace("[", r"\[") for cell in row))
    text = StringIO()
    Console(file=text, width=10_000, color_system=None).print(table)
    lines = [line.rstrip() for line in textwrap.dedent(text.getvalue()).strip("\n").splitlines()]
    return "\n".join(line for place, line in enumerate(lines) if line or place > 1)

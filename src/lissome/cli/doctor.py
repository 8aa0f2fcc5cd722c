"""The command that says what is installed."""

from typing import Any

from lissome.cli.options import AsJson, show


def doctor(*, as_json: AsJson = False) -> None:
    """Say what is installed, what this machine can do, and how to get the rest."""
    import platform

    import torch

    from lissome import __version__
    from lissome.core.text_table import render
    from lissome.timing.machine import describe_machine

    machine, found = describe_machine(), engines()
    versions = {"lissome": __version__, "python": platform.python_version(), "torch": str(torch.__version__)}
    rows = [
        (
            *(one["name"], one["version"] or "–", "ready" if one["available"] else one["install"]),
            *(", ".join(one["precisions"]), ", ".join(one["options"])),
        )
        for one in found
    ]
    text = "\n".join(
        [
            f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}",
            f"features: {', '.join(machine['features']) or 'unknown'}",
            ", ".join(f"{name} {version}" for name, version in versions.items()),
            "",
            render(("engine", "version", "state", "precisions", "options"), rows, left=5),
        ]
    )
    show(text, {"machine": machine, "versions": versions, "engines": found}, as_json=as_json)


def engines() -> list[dict[str, Any]]:
    """Return each engine: whether it is there, its version, and the pip line that brings it."""
    from lissome.runtimes.table import RUNTIMES, get_runtime

    rows = []
    for name in RUNTIMES:
        runtime = get_runtime(name)
        there = runtime.available()
        rows.append(
            {
                "name": name,
                "available": there,
                "version": runtime.version() if there else None,
                "install": runtime.install,
                "precisions": list(runtime.precisions),
                "options": {option: list(values) for option, values in runtime.options.items()},
            }
        )
    return rows

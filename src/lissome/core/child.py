"""A converter in a process of its own: its crash or endless loop is an error here, not our end."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lissome.core.errors import ConversionError


def run_child(command: Sequence[str], folder: Path, *, seconds: float, where: str) -> str:
    """Run a command in a folder and return what it wrote on both outputs.

    Args:
        command: The program and its arguments; no shell reads them.
        folder: Its working directory.
        seconds: Time limit, > 0; then it is killed.
        where: The tool's name, for messages.

    Raises:
        ConversionError: It failed, crashed, or took too long; carries its last line.

    Example:
        >>> run_child(["echo", "done"], Path(), seconds=5, where="echo").split()
        ['done']
    """
    try:
        ended = subprocess.run(
            list(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConversionError(f"took longer than {seconds:g} s", where=where) from error
    except OSError as error:
        raise ConversionError(f"cannot be started: {error.strerror}", where=where) from error
    said = ended.stdout.decode("utf-8", "replace")
    if ended.returncode != 0:
        lines = [line for line in said.splitlines() if line.strip()]
        how = f"crashed with signal {-ended.returncode}" if ended.returncode < 0 else f"failed ({ended.returncode})"
        raise ConversionError(f"{how}: {lines[-1][:300] if lines else 'it said nothing'}", where=where)
    return said

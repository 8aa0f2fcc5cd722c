"""Look at ONNX files that may be anything, in processes that may die of it.

``python -m lissome.exporting.examine_onnx SECONDS FILE …`` loads the libraries once and forks for each file, so that a
crash, an endless loop or a request for all memory ends one fork; it prints one line of JSON a file.
"""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import onnx

from lissome.core.child import run_child
from lissome.core.errors import BadModelError, LissomeError
from lissome.core.files import sha256_of
from lissome.exporting.graph_proof import GraphProof
from lissome.graph.optimize import optimize_model

SECONDS = 60.0
_STARTING_SECONDS = 60.0
_MEMORY_BYTES = 6 << 30
_MEMORY_FACTOR = 16
_MOST_REASON = 400
_MARK = "verdict: "


def examine(path: str, *, seconds: float = SECONDS) -> None:
    """Load, optimize and run a file in a child process, so that whatever it does there is an error here.

    Args:
        path: The .onnx file.
        seconds: Time limit.

    Raises:
        BadModelError: It is no graph that loads and runs, crashes who tries, or takes longer than the limit.
    """
    if not Path(path).is_file():
        raise BadModelError("no such file", where=path, fix="give an .onnx file")
    before = sha256_of(path)
    reason = examine_all([path], seconds=seconds)[0]
    if reason is not None:
        raise BadModelError(reason, where=path, fix="repair the file or export it again")
    if sha256_of(path) != before:
        raise BadModelError("was changed while it was read", where=path, fix="try again")


def examine_all(paths: Sequence[str], *, seconds: float = SECONDS) -> list[str | None]:
    """Return for each file why it cannot be used, or None.

    Args:
        paths: Files that exist.
        seconds: Time limit for each.

    Raises:
        ConversionError: The child process itself could not do its work.
    """
    files = [str(Path(one).resolve()) for one in paths]
    command = [sys.executable, "-m", "lissome.exporting.examine_onnx", str(seconds), *files]
    limit = _STARTING_SECONDS + len(files) * (seconds + 1)
    said = run_child(command, Path(), seconds=limit, where="examination of ONNX files")
    # A crashing library may write lines of its own.
    verdicts = dict(json.loads(line[len(_MARK) :]) for line in said.splitlines() if line.startswith(_MARK))
    return [verdicts.get(one, "who loads it ends without a word") for one in files]


def read_onnx(path: str) -> onnx.ModelProto:
    """Parse a file and check it.

    Raises:
        BadModelError: It is no valid ONNX file.
    """
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, onnx and the file system raise many kinds
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise BadModelError(f"is no valid ONNX file: {lines[0][:200]}", where=path, fix="export it again") from error
    return model


def _examine_here(path: str) -> str | None:
    limit = max(_MEMORY_BYTES, _MEMORY_FACTOR * Path(path).stat().st_size)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        model = read_onnx(path)
        GraphProof(model).compare(optimize_model(model).model)
    except LissomeError as error:
        return error.what
    except (MemoryError, RecursionError) as error:
        return f"needs more than can be given: {type(error).__name__}"
    return None


def _examine_in_fork(path: str, seconds: float) -> str | None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        reason = _examine_here(path)
        os.write(writing, (reason or "").encode("utf-8", "replace")[:_MOST_REASON])
        os._exit(0)  # without the parent's exit handlers
    os.close(writing)
    end = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reading)
            return f"takes longer than {seconds:g} s to load and run"
        time.sleep(0.002)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace").replace("\n", " ")
    if os.WIFSIGNALED(status):
        return f"crashes who loads it with signal {os.WTERMSIG(status)}"
    if os.WEXITSTATUS(status):
        return "makes who loads it fail"
    return said or None


def _main(arguments: Sequence[str]) -> int:
    seconds = float(arguments[0])
    for path in arguments[1:]:
        line = json.dumps([path, _examine_in_fork(path, seconds)])
        sys.stdout.write(f"{_MARK}{line}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))

"""Engines that print from C++ are kept quiet: standard output belongs to the program that uses us."""

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Send what is written to standard output and error, by C code too, nowhere while the block runs.

    The redirection holds for the whole process, so keep blocks short: loading a library, loading a model.

    Example:
        >>> with quiet():
        ...     _ = os.write(1, b"not seen")
    """
    with _LOCK:
        sys.stdout.flush()
        sys.stderr.flush()
        kept = [(number, os.dup(number)) for number in (1, 2)]
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            for number, _ in kept:
                os.dup2(nowhere, number)
            yield
        finally:
            _flush_c()
            for number, copy in kept:
                os.dup2(copy, number)
                os.close(copy)
            os.close(nowhere)


def _flush_c() -> None:
    """Empty C's own buffers, lest they come out after the block."""
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)

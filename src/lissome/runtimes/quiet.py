"""Engines that print from C++ are kept quiet: standard output belongs to the program that uses us."""

import ctypes
import importlib
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

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


def import_quietly(name: str) -> ModuleType:
    """Import an engine's module without what it prints, and without its own warnings of its own old code.

    Example:
        >>> import_quietly("json").dumps(1)
        '1'
    """
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def _flush_c() -> None:
    """Empty C's own buffers, lest they come out after the block."""
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)

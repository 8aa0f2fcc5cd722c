"""Keep a measurement on the same CPUs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from lissome.core.errors import SettingError


@contextmanager
def pinned(threads: int = 1) -> Iterator[tuple[int, ...]]:
    """Bind this thread, and those started inside the block, to as many CPUs as there are threads.

    Load sessions inside the block: an engine's threads keep the CPUs they were started on. The binding from before is
    restored. The highest CPU numbers are taken, as the lowest serve interrupts.

    Args:
        threads: How many, ≥ 1.

    Yields:
        The CPUs; none on a system that cannot bind (macOS, Windows).

    Raises:
        SettingError: Fewer CPUs than threads are free to use: threads that share a CPU wait for each other.

    Example:
        >>> with pinned(1) as cpus:
        ...     len(cpus) <= 1
        True
    """
    if threads < 1:
        raise SettingError(f"threads is {threads}", where="pinned", fix="choose at least 1")
    if not hasattr(os, "sched_setaffinity"):
        yield ()
        return
    before = os.sched_getaffinity(0)
    if threads > len(before):
        raise SettingError(f"{threads} threads on {len(before)} CPUs", where="pinned", fix="choose fewer threads")
    chosen = tuple(sorted(before)[-threads:])
    os.sched_setaffinity(0, chosen)
    try:
        yield chosen
    finally:
        os.sched_setaffinity(0, before)

"""Workers of a search as tasks of a Ray cluster: Ray starts them where there is room, the study is shared as ever."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lissome.core.errors import LissomeError, RunError, SettingError

LOCAL = "local"
"""The address of a cluster that is started here for the search alone."""


@contextmanager
def beside_on_ray(work: Callable[..., None], jobs: Sequence[tuple[Any, ...]], address: str) -> Iterator[None]:
    """Run work as tasks of a cluster while the block runs, and wait for them at its end.

    Args:
        work: A function of a module.
        jobs: The arguments of each task.
        address: ``local``, ``auto``, ``host:port``, or ``ray://host:port``.

    Raises:
        LissomeError: Ray is not installed; says the pip line.
        RunError: The cluster is not reached, or a task failed.
        SettingError: The network or the task cannot be handed to another process.
    """
    ray = _ray()
    joined = not ray.is_initialized()
    if joined:
        _join(ray, address, len(jobs))
    try:
        # A task that failed would fail again; one whose machine died is another's trial, since the study knows it.
        task = ray.remote(num_cpus=1, max_retries=0)(work)
        try:
            running = [task.remote(*one) for one in jobs]
        except (AttributeError, TypeError) as error:
            raise SettingError(
                f"the network or the task cannot be handed to another process: {str(error).splitlines()[0]}",
                where="ray",
                fix="define its loss and metric in a file",
            ) from error
        yield
        try:
            ray.get(running)
        except ray.exceptions.RayError as error:
            reason = getattr(error, "cause", None) or str(error).strip().splitlines()[-1]
            raise RunError(f"a worker failed: {reason}", where="ray", fix="see what it says, or search here") from error
    finally:
        if joined:
            ray.shutdown()


def require_ray() -> None:
    """Refuse where Ray is not installed.

    Raises:
        LissomeError: Says the pip line.
    """
    _ray()


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to its makers
    try:
        import ray
    except ImportError as error:
        raise LissomeError("Ray is not installed", where="ray", fix='pip install "lissome[ray]"') from error
    return ray


def _join(ray: Any, address: str, tasks: int) -> None:
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == LOCAL:
        settings |= {"address": LOCAL, "num_cpus": tasks, "include_dashboard": False}
    else:
        settings |= {"address": address}
    try:
        ray.init(**settings)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise RunError(f"is not reached: {reason}", where=address, fix="start it by `ray start --head`") from error

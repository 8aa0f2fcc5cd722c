"""Where and how a search works."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lissome.core.curves import Curves
from lissome.core.errors import SettingError
from lissome.core.progress import Progress, Silent


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRun:
    """Where and how a search works.

    Args:
        path: Its folder: study, times, finished steps, result. An interrupted search goes on from it; None makes one.
        name: What the network is called.
        workers: Processes that do trials at the same time, ≥ 1. With one, the same seed, budget in trials and kept
            times give the same winner.
        storage: A database for the study (``sqlite:///…``, ``postgresql://…``), which searches on several machines may
            share; None keeps it in the folder.
        ray: A Ray cluster on which all workers but the first run: ``auto``, ``host:port``, ``ray://host:port``, or
            ``local`` for one of its own. Its machines must be alike and see the folder. None keeps them here.
        times: Folder of another search, whose measured times are taken; None measures them.
        threads: Threads of the engines, ≥ 1.
        labels: "data", or "original": the metric is then the agreement with the original, and no label is read.
        reproduce: Commands that repeat it, for the reader.
        progress: Who watches.
        curves: Who keeps the figures of each epoch of each trial; None does not.
    """

    path: Path | None = None
    name: str = "network"
    workers: int = 1
    storage: str | None = None
    ray: str | None = None
    times: Path | None = None
    threads: int = 1
    labels: Literal["data", "original"] = "data"
    reproduce: tuple[str, ...] = ()
    progress: Progress = field(default_factory=Silent)
    curves: Curves | None = None

    def __post_init__(self) -> None:
        if self.workers < 1 or self.threads < 1:
            raise SettingError(
                f"workers is {self.workers}, threads {self.threads}", where="SearchRun", fix="choose at least 1"
            )
        if self.ray is not None and self.workers < 2:
            raise SettingError("one worker needs no cluster", where="SearchRun", fix="choose workers of at least 2")
        if self.labels not in ("data", "original"):
            raise SettingError(f"labels is {self.labels!r}", where="SearchRun", fix='choose "data" or "original"')

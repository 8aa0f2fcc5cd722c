"""How long work tells how far it is, without the library ever printing."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Somebody who watches: the command line shows bars, a test records, the default is silent."""

    def advance(self, task: str, done: int, total: int | None) -> None:
        """Take note that `done` of `total` units of `task` are finished."""

    def say(self, message: str) -> None:
        """Take note of one line worth showing."""


class Silent:
    """The default watcher: looks away."""

    def advance(self, task: str, done: int, total: int | None) -> None:
        """Ignore it."""

    def say(self, message: str) -> None:
        """Ignore it."""


def track(items: Iterable[T], progress: Progress, task: str, total: int | None = None) -> Iterator[T]:
    """Yield the items, telling the watcher after each.

    Example:
        >>> list(track("ab", Silent(), "letters", 2))
        ['a', 'b']
    """
    progress.advance(task, 0, total)
    for done, item in enumerate(items, start=1):
        yield item
        progress.advance(task, done, total)

"""What a step needs beside the model: the task, an example input, the seed, who watches, where to keep things."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field, replace
from enum import Enum
from typing import Protocol, Self

import torch
from torch import Tensor, nn

from lissome.core.curves import Curves
from lissome.core.errors import SettingError
from lissome.core.preprocessing import Preprocessing
from lissome.core.progress import Progress, Silent


class Need(Enum):
    """What a step may require of its context; the whole recipe is asked before the first step works."""

    EXAMPLE = "an example input"
    TASK = "a task with training data"
    ORIGINAL = "the uncompressed network as teacher"


class BatchTransform(Protocol):
    """An augmentation of whole batches."""

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the changed batch; shapes stay (N, C, H, W) and (N, …)."""


class SplitLike(Protocol):
    """One part of the data: images with labels that can be counted and read in batches."""

    def __len__(self) -> int:
        """Return the number of images."""

    def batches(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        transform: BatchTransform | None = None,
        limit: int | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pre-processed (images, labels); shuffled when a generator is given; at most `limit` images."""


class TaskLike(Protocol):
    """What a network is for. `lissome.Task` is one; anything with these members will do."""

    @property
    def train(self) -> SplitLike:
        """Data that steps may learn from."""

    @property
    def validation(self) -> SplitLike:
        """Data held out of the training data: every choice is made on it."""

    @property
    def test(self) -> SplitLike:
        """Data that give the final figure, once; no step reads them."""

    @property
    def classes(self) -> int:
        """Number of classes."""

    @property
    def preprocessing(self) -> Preprocessing:
        """What happens to a picture before the network sees it."""

    @property
    def loss(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The training loss of (output, labels): a scalar."""

    @property
    def metric(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The score of each sample from (output, labels): shape (N,), higher is better."""


class Memory(Protocol):
    """Where finished steps are kept, so that an interrupted recipe goes on from its last one."""

    def recall(self, key: str) -> "tuple[nn.Module, dict[str, object]] | None":
        """Return the model and receipt kept under the key, or None."""

    def keep(self, key: str, model: nn.Module, receipt: dict[str, object]) -> None:
        """Keep a finished step, whole or not at all."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a step needs beside the model.

    Args:
        task: Data, loss and metric; not needed by steps that look at weights only.
        example: An example input (N, C, H, W) float32, or a tuple of inputs; taken from the task when absent.
        seed: Whence all randomness comes. Default 0.
        original: The uncompressed network; a recipe sets it to its input when absent. The default teacher.
        progress: Who watches.
        memory: Where finished steps are kept; None keeps nothing.
        curves: Who keeps the figures of each epoch; None does not.

    Example:
        >>> Context(example=torch.zeros(1, 3, 8, 8)).example_inputs()[0].shape
        torch.Size([1, 3, 8, 8])
    """

    task: TaskLike | None = None
    _: KW_ONLY
    example: Tensor | tuple[Tensor, ...] | None = None
    seed: int = 0
    original: nn.Module | None = None
    progress: Progress = field(default_factory=Silent)
    memory: Memory | None = None
    curves: Curves | None = None

    def within(self, part: str) -> Self:
        """Return the context of a part of the work, whose curves have the part's name."""
        return replace(self, curves=self.curves.within(part)) if self.curves else self

    def has(self, need: Need) -> bool:
        """Tell whether a need is met."""
        if need is Need.TASK:
            return self.task is not None
        if need is Need.ORIGINAL:
            return self.original is not None
        return self.example is not None or self.task is not None

    def example_inputs(self) -> tuple[Tensor, ...]:
        """Return example inputs, one tensor for each input of the network.

        Raises:
            SettingError: There is neither an example nor a task.
        """
        if self.example is not None:
            return self.example if isinstance(self.example, tuple) else (self.example,)
        images, _ = next(iter(self.require_task().train.batches(1)))
        return (images,)

    def inputs_if_known(self) -> tuple[Tensor, ...] | None:
        """Return example inputs, or None where there is neither an example nor a task."""
        return self.example_inputs() if self.has(Need.EXAMPLE) else None

    def require_task(self) -> TaskLike:
        """Return the task.

        Raises:
            SettingError: There is none.
        """
        if self.task is None:
            raise SettingError(
                "this needs a task with data", where="Context", fix="give Context(task) or, on the command line, --data"
            )
        return self.task

    def or_original(self, model: nn.Module) -> Self:
        """Return the context with a network as the original one, if it has none yet."""
        return self if self.original is not None else replace(self, original=model)

    def require_original(self) -> nn.Module:
        """Return the uncompressed network.

        Raises:
            SettingError: There is none.
        """
        if self.original is None:
            raise SettingError("there is no original network", where="Context", fix="give Context(original=network)")
        return self.original

    def generator(self, purpose: str) -> torch.Generator:
        """Return a generator for one purpose, whose numbers depend on the seed and the purpose alone.

        Example:
            >>> one, two = Context(seed=1).generator("x"), Context(seed=1).generator("x")
            >>> torch.equal(torch.rand(3, generator=one), torch.rand(3, generator=two))
            True
        """
        digest = hashlib.sha256(f"{self.seed}/{purpose}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))

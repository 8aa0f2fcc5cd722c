"""Batches in, weights changed."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lissome.core.context import BatchTransform, SplitLike
from lissome.core.errors import SettingError
from lissome.core.processes import Processes
from lissome.core.progress import Progress, track
from lissome.training.data_parallel import average_gradients, check_parts, part_of, settle
from lissome.training.kept_sharing import KeptSharing
from lissome.training.kept_zeros import KeptZeros
from lissome.training.objective import Objective
from lissome.training.regularizers.regularizer import Penalty


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """Whole batches of a split, shuffled anew each time they are asked for; of each, the part of this process.

    All processes read and augment the same batches, so that they train as one process would, whatever an augmentation
    mixes.

    Args:
        split: The training data.
        batch_size: Images a batch, of all processes together.
        generator: Shuffles, and draws for the transform.
        transform: An augmentation, or None.
        layout: The memory layout of the images.
        limit: At most so many images, others each time; None takes all.
        run: The processes.

    Raises:
        SettingError: The processes cannot share a batch evenly.
    """

    split: SplitLike
    batch_size: int
    generator: torch.Generator
    transform: BatchTransform | None
    layout: torch.memory_format
    limit: int | None = None
    run: Processes = field(default_factory=Processes)

    def __post_init__(self) -> None:
        check_parts(self.batch_size, self._images(), self.run)

    def __len__(self) -> int:
        return max(1, self._images() // self.batch_size)

    def _images(self) -> int:
        return len(self.split) if self.limit is None else min(self.limit, len(self.split))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        whole = self.split.batches(
            self.batch_size, generator=self.generator, transform=self.transform, limit=self.limit
        )
        # The rest that fills no batch is left out, for its few images would weigh as much as a whole batch's, and
        # batch normalisation fails on a single one.
        for _, batch in zip(range(len(self)), whole, strict=False):
            images, labels = part_of(batch, self.run)
            yield images.contiguous(memory_format=self.layout), labels


@dataclass(slots=True, kw_only=True)
class Loop:
    """Gradient descent on an objective.

    Args:
        model: Changed in place.
        objective: The loss.
        optimizer: Of the model's parameters.
        learning_rate: The rate at a share of all steps done, [0, 1].
        batches: Asked for once an epoch.
        epochs: How many there will be, for the learning rate.
        gradient_clip: Largest norm of the whole gradient; None does not clip.
        penalty: Adds its gradient to that of the loss, before clipping.
        kept_zeros: Weights that stay zero.
        kept_sharing: Weights that stay equal.
    """

    model: nn.Module
    objective: Objective
    optimizer: torch.optim.Optimizer
    learning_rate: Callable[[float], float]
    batches: Batches
    epochs: int
    gradient_clip: float | None = None
    penalty: Penalty | None = None
    kept_zeros: KeptZeros | None = None
    kept_sharing: KeptSharing | None = None
    steps_done: int = field(default=0, init=False)

    @property
    def rate(self) -> float:
        """The learning rate of the last step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def run_epoch(self, epoch: int, progress: Progress) -> float:
        """Run the next epoch and return its mean loss; behind it all processes have the same network.

        Raises:
            SettingError: The loss became NaN or infinite.
        """
        self.model.train()
        losses: list[float] = []
        for images, labels in track(self.batches, progress, f"epoch {epoch} of {self.epochs}", len(self.batches)):
            losses.append(self._step(images, labels))
            if not math.isfinite(losses[-1]):
                raise SettingError(
                    f"the loss became {losses[-1]} in step {len(losses)} of epoch {epoch}",
                    where="Train",
                    fix="lower the learning rate, or set gradient_clip",
                )
        settle(self.model, self.batches.run)
        return math.fsum(losses) / len(losses)

    def _step(self, images: Tensor, labels: Tensor) -> float:
        # The middle of the step, so that a rate that starts or ends at 0 wastes none.
        rate = self.learning_rate((self.steps_done + 0.5) / (self.epochs * len(self.batches)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.objective(self.model, images, labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        average_gradients([one for group in self.optimizer.param_groups for one in group["params"]], self.batches.run)
        if self.penalty is not None:
            self.penalty.add_gradient()
        if self.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.gradient_clip)
        if self.kept_sharing is not None:
            self.kept_sharing.share_gradients()
        self.optimizer.step()
        if self.kept_sharing is not None:
            self.kept_sharing.restore()
        if self.kept_zeros is not None:
            self.kept_zeros.restore()
        self.steps_done += 1
        return self.batches.run.mean(loss.item())

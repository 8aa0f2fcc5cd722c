"""The processes of one run, as ``torchrun`` starts them: all do the same work, and the first one alone writes."""

import atexit
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True, slots=True)
class Processes:
    """Which of the processes of a run this one is, and what they do together.

    Every method but the properties must be called by all of them, in the same order, or they wait for each other.

    Args:
        rank: The number of this one; the first is 0.
        count: How many there are.

    Example:
        >>> alone = Processes()
        >>> alone.is_first, alone.mean(3.0), alone.agree(False), alone.first(lambda: 0.5)
        (True, 3.0, False, 0.5)
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes and measures."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all have come here."""
        if self.count > 1:
            distributed.barrier()

    def mean(self, value: float) -> float:
        """Return the mean of the values of all."""
        return self._reduced(value, distributed.ReduceOp.SUM) / self.count if self.count > 1 else value

    def agree(self, flag: bool) -> bool:  # noqa: FBT001 – it is what is asked
        """Tell whether all say yes."""
        return bool(self._reduced(float(flag), distributed.ReduceOp.MIN)) if self.count > 1 else flag

    def first(self, work: Callable[[], float]) -> float:
        """Let the first one work while the others wait, and return its number on all."""
        value = torch.tensor(work() if self.is_first else 0.0, dtype=torch.float64)
        self.share([value])
        return float(value)

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Copy the first one's numbers into the tensors of all."""
        if self.count > 1:
            for one in tensors:
                distributed.broadcast(one, src=0)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace floats by their mean over all."""
        if self.count > 1:
            for one in tensors:
                distributed.all_reduce(one)
                one /= self.count

    @staticmethod
    def _reduced(value: float, operation: distributed.ReduceOp.RedOpType) -> float:
        tensor = torch.tensor(value, dtype=torch.float64)
        distributed.all_reduce(tensor, operation)
        return float(tensor)


def processes() -> Processes:
    """Return the processes of this run: those of ``torchrun``, or of a process group that is there already; else one.

    The first call under ``torchrun`` joins them by gloo, which needs nothing but CPUs and a network.

    Example:
        >>> processes()
        Processes(rank=0, count=1)
    """
    if not distributed.is_available():
        return Processes()
    if distributed.is_torchelastic_launched() and not distributed.is_initialized():
        distributed.init_process_group("gloo")
        atexit.register(distributed.destroy_process_group)
    if not distributed.is_initialized():
        return Processes()
    return Processes(distributed.get_rank(), distributed.get_world_size())

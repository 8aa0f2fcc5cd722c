"""PyTorch eager in float32: what the other engines are compared with and timed against."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from lissome.core.errors import BadModelError
from lissome.core.snapshot import read_snapshot
from lissome.runtimes.protocol import Array, Runtime, Session, SessionDescription


class Torch(Runtime):
    """Adapter of PyTorch; its file holds structure and weights without pickle."""

    name: ClassVar[str] = "torch"
    package: ClassVar[str] = "torch"
    module: ClassVar[str] = "torch"
    files: ClassVar[tuple[str, ...]] = ("torch/model.safetensors",)

    def _open(self, folder: Path, threads: int) -> Session:
        model, _ = read_snapshot(folder / self.files[0])
        return TorchSession(model, threads=threads)


class TorchSession:
    """A module as a session: evaluation mode, no gradients.

    Args:
        model: Any module; it is put in evaluation mode.
        threads: Threads of PyTorch while it runs.

    Example:
        >>> import numpy as np
        >>> TorchSession(nn.ReLU()).run(np.array([[-1.0, 2.0]], np.float32))[0].tolist()
        [[0.0, 2.0]]
    """

    def __init__(self, model: nn.Module, *, threads: int = 1) -> None:
        self._model = model.eval()
        self._description = SessionDescription("torch", str(torch.__version__), "float32", threads)

    def run(self, *images: Array) -> tuple[Array, ...]:
        """Return the outputs in the order of the module's own."""
        with _threads(self._description.threads), torch.inference_mode():
            return tuple(one.numpy() for one in flat_outputs(self._model(*map(torch.tensor, images))))

    def describe(self) -> SessionDescription:
        """Return engine, version, precision and threads."""
        return self._description


def flat_outputs(value: object) -> tuple[Tensor, ...]:
    """Return the tensors that a forward returned, in order, whether one, a tuple, a list or a table.

    Raises:
        BadModelError: There is something else among them.

    Example:
        >>> len(flat_outputs((torch.zeros(1), [torch.zeros(1), torch.zeros(1)])))
        3
    """
    if isinstance(value, Tensor):
        return (value,)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return tuple(tensor for part in value for tensor in flat_outputs(part))
    raise BadModelError(
        f"the forward returns a {type(value).__name__}", fix="return tensors, or tuples, lists or tables of them"
    )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)

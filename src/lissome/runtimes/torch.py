"""PyTorch eager: in float32 it is what the other engines are compared with and timed against."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from lissome.core.errors import BadModelError
from lissome.core.snapshot import read_snapshot
from lissome.runtimes.protocol import Array, Option, Runtime, Session, SessionDescription, SessionSettings

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_TURN = threading.RLock()  # the number of threads is the whole process's


class Torch(Runtime):
    """Adapter of PyTorch; its file holds structure and weights without pickle."""

    name: ClassVar[str] = "torch"
    package: ClassVar[str] = "torch"
    module: ClassVar[str] = "torch"
    files: ClassVar[tuple[str, ...]] = ("torch/model.safetensors",)
    precisions: ClassVar[tuple[str, ...]] = ("float32", "bfloat16")
    options: ClassVar[Mapping[str, tuple[Option, ...]]] = {"layout": ("rows", "channels_last")}
    worth_trying: ClassVar[tuple[Mapping[str, Option], ...]] = ({}, {"layout": "channels_last"})

    def _open(self, folder: Path, settings: SessionSettings) -> Session:
        model, _ = read_snapshot(folder / self.files[0])
        return TorchSession(
            model,
            threads=settings.threads,
            precision=settings.precision,
            channels_last=settings.options["layout"] == "channels_last",
        )


class TorchSession:
    """A module as a session: evaluation mode, no gradients.

    Args:
        model: Any module; it is put in evaluation mode, and converted if it must compute in bfloat16.
        threads: Threads of PyTorch while it runs.
        precision: "float32" or "bfloat16".
        channels_last: Keep the channels of a pixel side by side in memory.

    Example:
        >>> import numpy as np
        >>> TorchSession(nn.ReLU()).run(np.array([[-1.0, 2.0]], np.float32))[0].tolist()
        [[0.0, 2.0]]
    """

    def __init__(
        self, model: nn.Module, *, threads: int = 1, precision: str = "float32", channels_last: bool = False
    ) -> None:
        self._model, self._type = model.eval(), _TYPES[precision]
        if self._type is not torch.float32:
            self._model = self._model.to(self._type)
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        if channels_last:
            self._model = self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        options: dict[str, Option] = {"layout": "channels_last"} if channels_last else {}
        self._description = SessionDescription("torch", str(torch.__version__), precision, threads, options)

    def run(self, *images: Array) -> tuple[Array, ...]:
        """Return the outputs in the order of the module's own."""
        with _TURN, _threads(self._description.threads), torch.inference_mode():
            outputs = flat_outputs(self._model(*map(self._tensor, images)))
            return tuple(one.float().contiguous().numpy() for one in outputs)

    def _tensor(self, image: Array) -> Tensor:
        tensor = torch.tensor(image, dtype=self._type)
        return tensor.contiguous(memory_format=self._format) if tensor.dim() == 4 else tensor

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

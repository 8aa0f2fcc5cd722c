"""Which layers leave the range of float16: looked for before a network is offered in it, not found on the device."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from lissome.core.module_graph import run_once
from lissome.core.outcome import Note
from lissome.runtimes.torch import flat_outputs

LARGEST = 65504.0
"""The largest finite float16."""

LIMIT = LARGEST / 2
"""Room is left for pictures that nobody tried."""


def beyond_half_range(model: nn.Module, inputs: tuple[Tensor, ...], *, limit: float = LIMIT) -> tuple[Note, ...]:
    """Return the layers whose activations or weights are larger than float16 can be trusted with.

    Args:
        model: The network; left as it was.
        inputs: Real samples (N, …).
        limit: The largest absolute value that is accepted, > 0.

    Returns:
        One note a layer, in the order they run; empty where float16 is safe on these samples.

    Example:
        >>> import torch
        >>> class Large(nn.Module):
        ...     def forward(self, x): return x * 1e5
        >>> [note.layer for note in beyond_half_range(nn.Sequential(nn.ReLU(), Large()), (torch.ones(1, 2),))]
        ['1', 'output']
    """
    largest: dict[str, float] = {}
    with _watched(model, largest):
        run_once(model, inputs)
    notes = [
        Note(name, f"reaches {value:.3g}, beyond {limit:.3g}: float16 ends at {LARGEST:.0f}", applied=False)
        for name, value in largest.items()
        if not value <= limit
    ]
    for name, weight in model.named_parameters():
        value = float(weight.detach().abs().max()) if weight.numel() else 0.0
        if value > limit:
            notes.append(Note(name, f"holds {value:.3g}, beyond {limit:.3g}", applied=False))
    return tuple(notes)


@contextmanager
def _watched(model: nn.Module, largest: dict[str, float]) -> Iterator[None]:
    """Keep the largest absolute value that each module gives while the block runs, in the order they end."""

    def watch(name: str) -> object:
        def keep(module: nn.Module, given: object, made: object) -> None:
            tensors = [one for one in flat_outputs(made) if one.is_floating_point() and one.numel()]
            value = max((float(one.abs().max()) for one in tensors), default=0.0)
            largest[name] = max(largest.get(name, 0.0), value)

        return keep

    handles = [one.register_forward_hook(watch(name or "output")) for name, one in model.named_modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

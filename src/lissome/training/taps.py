"""Looking at what layers hold while a network runs."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.core.module_graph import run_once

_PIXEL = (1, 1)


class Taps:
    """Keeps the last output of some layers, until it is taken.

    Args:
        model: Gets hooks, which `close` removes.
        paths: Of the layers.

    Raises:
        SettingError: A path names no layer.

    Example:
        >>> model = nn.Sequential(nn.ReLU(), nn.Flatten())
        >>> taps = Taps(model, ["0"])
        >>> _ = model(-torch.ones(1, 1, 2, 2))
        >>> taps.take()[0].shape, taps.close()
        (torch.Size([1, 1, 2, 2]), None)
    """

    def __init__(self, model: nn.Module, paths: Iterable[str]) -> None:
        self._paths = tuple(paths)
        layers = dict(model.named_modules())
        for path in self._paths:
            if path not in layers:
                raise SettingError(
                    f"there is no layer {path!r}", where="layers", fix=f"layers are {', '.join([*layers][1:5])}, …"
                )
        self._seen: dict[str, Tensor] = {}
        self._hooks = [self._watch(path, layers[path]) for path in dict.fromkeys(self._paths)]

    def _watch(self, path: str, layer: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, __: object, output: Tensor) -> None:
            self._seen[path] = output

        return layer.register_forward_hook(hook)

    def take(self) -> tuple[Tensor, ...]:
        """Return what was seen in the last run, in the order of the paths, and forget it.

        Raises:
            SettingError: A layer was not called.
        """
        seen, self._seen = self._seen, {}
        for path in self._paths:
            if path not in seen:
                raise SettingError("the layer is not called", where=path, fix="choose one that the forward calls")
        return tuple(seen[path] for path in self._paths)

    def close(self) -> None:
        """Remove the hooks."""
        for one in self._hooks:
            one.remove()


def matched_layers(student: nn.Module, teacher: nn.Module, images: Tensor) -> dict[str, str]:
    """Return, for each size of map that both networks have, the last layer of it in both.

    Args:
        student: Run once.
        teacher: Run once.
        images: (N, C, H, W).

    Raises:
        SettingError: They have no size in common.

    Example:
        >>> one, two = (nn.Sequential(nn.Conv2d(3, 4, 1), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten()) for _ in range(2))
        >>> matched_layers(one, two, torch.zeros(1, 3, 4, 4))
        {'0': '0', '2': '2'}
    """
    ours, theirs = _last_of_each_size(student, images), _last_of_each_size(teacher, images)
    pairs = {path: theirs[size] for size, path in ours.items() if size in theirs and size != _PIXEL}
    if not pairs:
        raise SettingError("student and teacher share no size of maps", where="layers", fix="name the layers of both")
    return pairs


def _last_of_each_size(model: nn.Module, images: Tensor) -> dict[tuple[int, int], str]:
    found: dict[tuple[int, int], tuple[str, Tensor]] = {}

    def watch(path: str, layer: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, __: object, output: object) -> None:
            if isinstance(output, Tensor) and output.ndim == 4:
                size = (output.shape[2], output.shape[3])
                # A block hands on what its last layer made: the layer is there in a traced graph, too.
                if size not in found or found[size][1] is not output:
                    found[size] = (path, output)

        return layer.register_forward_hook(hook)

    hooks = [watch(path, layer) for path, layer in model.named_modules() if path]
    try:
        run_once(model, (images[:1],))
    finally:
        for one in hooks:
            one.remove()
    return {size: path for size, (path, _) in found.items()}

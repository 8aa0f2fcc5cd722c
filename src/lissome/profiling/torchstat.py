"""The columns of torchstat's table, by its own formulas, so that its published figures can be stood beside ours.

What it calls MAdd is multiplications plus additions, what it calls Flops is closer to multiply-adds. It looks at layers
alone, at the first input of each, and counts 0 for what it does not know.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from lissome.profiling.call import Call

FIGURES = ("madd", "flops", "memory_read", "memory_written", "memory_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchstatCount:
    """One layer in torchstat's convention.

    Args:
        madd: Multiplications and additions, of one image.
        flops: Its "Flops".
        memory_read: Bytes read: input and parameters.
        memory_written: Bytes written.
        memory_bytes: Bytes of the result, of one image; its table shows MiB.

    Source:
        github.com/Swall0w/torchstat, version 0.0.7.
    """

    madd: int = 0
    flops: int = 0
    memory_read: int = 0
    memory_written: int = 0
    memory_bytes: int = 0

    @property
    def memory_mib(self) -> float:
        """The result in MiB."""
        return self.memory_bytes / 2**20

    def __add__(self, other: "TorchstatCount") -> "TorchstatCount":
        return TorchstatCount(**{name: getattr(self, name) + getattr(other, name) for name in FIGURES})

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name."""
        return {
            "madd": self.madd,
            "flops": self.flops,
            "memory_read": self.memory_read,
            "memory_written": self.memory_written,
            "memory_read_written": self.memory_read + self.memory_written,
            "memory_mib": self.memory_mib,
        }


def torchstat_count(call: Call) -> TorchstatCount | None:
    """Return a layer's figures, or None for a function, which torchstat does not see.

    Example:
        >>> call = Call(path="0", scope="0", kind="ReLU", operator="relu", layer=nn.ReLU(), args=(), kwargs={},
        ...             params=0, weights=0, inputs=((1, 8, 2, 2),), outputs=((1, 8, 2, 2),), reads=(0,), makes=1,
        ...             is_view=False)
        >>> torchstat_count(call)
        TorchstatCount(madd=32, flops=32, memory_read=128, memory_written=128, memory_bytes=128)
    """
    if call.layer is None or not call.inputs:
        return None
    madd = next((formula(call) for kind, formula in _MADD.items() if isinstance(call.layer, kind)), 0)
    flops = next((formula(call) for kind, formula in _FLOPS.items() if isinstance(call.layer, kind)), 0)
    read, written = next((formula(call) for kind, formula in _MEMORY.items() if isinstance(call.layer, kind)), (0, 0))
    return TorchstatCount(
        madd=madd,
        flops=flops,
        memory_read=4 * read,
        memory_written=4 * written,
        memory_bytes=4 * math.prod(call.output[1:]),
    )


def _numbers_in(call: Call) -> int:
    return math.prod(call.inputs[0])


def _image_in(call: Call) -> int:
    return math.prod(call.inputs[0][1:])


def _image_out(call: Call) -> int:
    return math.prod(call.output[1:])


def _window(call: Call) -> int:
    kernel = call.setting("kernel_size", 1)
    return math.prod(kernel) if isinstance(kernel, tuple | list) else int(kernel) ** (len(call.output) - 2)


def _kernel_operations(call: Call) -> int:
    """Multiplications and additions for one number."""
    layer: Any = call.layer
    multiplications: int = math.prod(layer.kernel_size) * (layer.in_channels // layer.groups)
    return 2 * multiplications - (1 if layer.bias is None else 0)


def _trainable(call: Call) -> int:
    assert call.layer is not None
    return sum(one.numel() for one in call.layer.parameters() if one.requires_grad)


def _transposed_madd(call: Call) -> int:
    return _kernel_operations(call) * math.prod(call.inputs[0][2:]) * call.output[1]


def _linear_madd(call: Call) -> int:
    return call.output[1] * (2 * call.inputs[0][1] - 1) if len(call.output) == 2 else 0


def _convolution_flops(call: Call) -> int:
    layer: Any = call.layer
    multiply_adds: int = math.prod(layer.kernel_size) * layer.in_channels * (layer.out_channels // layer.groups)
    positions = call.output[0] * math.prod(call.output[2:])
    for_one: int = multiply_adds + (0 if layer.bias is None else layer.out_channels)
    return for_one * positions


def _linear_flops(call: Call) -> int:
    return call.inputs[0][0] * call.inputs[0][1] * call.output[1] if len(call.output) == 2 else 0


def _norm_flops(call: Call) -> int:
    return _numbers_in(call) * (2 if call.setting("affine", 0) else 1)


def _kept_memory(call: Call) -> tuple[int, int]:
    return _numbers_in(call), _numbers_in(call)


def _weighted_memory(call: Call) -> tuple[int, int]:
    return call.inputs[0][0] * (_image_in(call) + _trainable(call)), math.prod(call.output)


def _norm_memory(call: Call) -> tuple[int, int]:
    return call.inputs[0][0] * (_image_in(call) + 2 * call.inputs[0][1]), _numbers_in(call)


def _pool_memory(call: Call) -> tuple[int, int]:
    return _numbers_in(call), math.prod(call.output)


_Kinds = tuple[type[nn.Module], ...]

_MADD: Mapping[_Kinds, Callable[[Call], int]] = {
    (nn.Conv2d, nn.Conv3d): lambda call: _kernel_operations(call) * _image_out(call),
    (nn.ConvTranspose2d, nn.ConvTranspose3d): _transposed_madd,
    (nn.BatchNorm2d, nn.BatchNorm3d): lambda call: 4 * _image_in(call),
    (nn.MaxPool2d, nn.MaxPool3d): lambda call: (_window(call) - 1) * _image_out(call),
    (nn.AvgPool2d, nn.AvgPool3d): lambda call: _window(call) * _image_out(call),
    (nn.ReLU, nn.ReLU6): _image_in,
    (nn.Softmax,): lambda call: 3 * _image_in(call) - 1,
    (nn.Linear,): _linear_madd,
}
_FLOPS: Mapping[_Kinds, Callable[[Call], int]] = {
    (nn.Conv2d, nn.Conv3d): _convolution_flops,
    (nn.BatchNorm2d, nn.BatchNorm3d): _norm_flops,
    (nn.AvgPool2d, nn.MaxPool2d, nn.AvgPool3d, nn.MaxPool3d): _numbers_in,
    (nn.ReLU, nn.ReLU6, nn.PReLU, nn.ELU, nn.LeakyReLU): _numbers_in,
    (nn.Upsample,): lambda call: math.prod(call.output),
    (nn.Linear,): _linear_flops,
}
_MEMORY: Mapping[_Kinds, Callable[[Call], tuple[int, int]]] = {
    (nn.ReLU, nn.ReLU6, nn.ELU, nn.LeakyReLU): _kept_memory,
    (nn.PReLU,): lambda call: (call.inputs[0][0] * (_image_in(call) + _trainable(call)), _numbers_in(call)),
    (nn.Conv2d, nn.Linear): _weighted_memory,
    (nn.BatchNorm2d,): _norm_memory,
    (nn.AvgPool2d, nn.MaxPool2d): _pool_memory,
}

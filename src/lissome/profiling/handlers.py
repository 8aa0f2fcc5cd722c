"""How many operations one call does: one handler for each kind of operator.

MACs are multiply-adds of convolutions and fully connected layers, the convention of the published tables. FLOPs are
floating-point operations by formula: with M multiply-adds and Y numbers made, a convolution or a fully connected layer
does 2·M − Y, and Y more with a bias: (2·C_in/g·K² − 1)·H·W·C_out, or 2·C_in/g·K²·H·W·C_out.
"""

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources

from torch import nn

from lissome.profiling.call import Call, Shape

_TABLE = tomllib.loads(resources.files(__package__).joinpath("operators.toml").read_text("utf-8"))
_LAYERS: Mapping[str, str] = _TABLE["layers"]
_ELEMENTWISE: Mapping[str, int] = _TABLE["elementwise"]
_FAMILIES: Mapping[str, str] = {name: family for family, names in _TABLE["families"].items() for name in names}


@dataclass(frozen=True, slots=True)
class Count:
    """Operations of one call.

    Args:
        macs: Multiply-adds, of convolutions and fully connected layers only.
        flops: Floating-point operations by formula.
    """

    macs: int
    flops: int


def operator_of(layer: nn.Module) -> str:
    """Return the operator that a layer is, or the name of its class if there is none.

    Example:
        >>> operator_of(nn.Conv2d(1, 1, 1)), operator_of(nn.LSTM(1, 1))
        ('conv2d', 'LSTM')
    """
    kinds = type(layer).__mro__
    return next((_LAYERS[one.__name__] for one in kinds if one.__name__ in _LAYERS), kinds[0].__name__)


def is_elementwise(operator: str) -> bool:
    """Return whether each entry of the result follows from the entries at its place alone.

    Example:
        >>> is_elementwise("relu"), is_elementwise("softmax")
        (True, False)
    """
    return operator in _ELEMENTWISE


def is_multiplying(operator: str) -> bool:
    """Return whether an operator multiplies by weights, so that what follows can be fused with it.

    Example:
        >>> is_multiplying("conv2d"), is_multiplying("matmul")
        (True, False)
    """
    return _FAMILIES.get(operator) in ("convolution", "transposed_convolution", "linear")


def count(call: Call) -> Count | None:
    """Return the operations of a call, or None if nobody knows the operator."""
    if call.operator in _ELEMENTWISE:
        return Count(0, _ELEMENTWISE[call.operator] * call.made)
    family = _FAMILIES.get(call.operator)
    return HANDLERS[family](call) if family else None


def kernel_of(call: Call) -> Shape | None:
    """Return the kernel of a convolution, None for everything else."""
    weight = call.shape("weight", 1) if _FAMILIES.get(call.operator, "").endswith("convolution") else None
    return weight[2:] if weight else None


def groups_of(call: Call) -> int:
    """Return the groups of a convolution, 1 for everything else."""
    return int(call.setting("groups", 6, 1)) if kernel_of(call) else 1


def _weighted(call: Call, macs: int) -> Count:
    # A layer and a function are alike here: the bias is the third argument.
    bias = call.setting("bias", 2) is not None
    return Count(macs, 2 * macs - (0 if bias else call.made))


def _convolution(call: Call) -> Count:
    return _weighted(call, call.made * math.prod((call.shape("weight", 1) or ())[1:]))


def _transposed_convolution(call: Call) -> Count:
    # Each number of the input meets each weight of its group once; the weight is (C_in, C_out / g, K, K).
    return _weighted(call, math.prod(call.inputs[0]) * math.prod((call.shape("weight", 1) or ())[1:]))


def _linear(call: Call) -> Count:
    return _weighted(call, call.made * (call.shape("weight", 1) or (0,))[-1])


def _product(call: Call) -> Count:
    return Count(0, call.made * (2 * call.inputs[0][-1] - 1))


def _product_and_sum(call: Call) -> Count:
    # (added, left, right); the same tensor twice is one input
    left = call.inputs[1] if len(call.inputs) > 1 else call.inputs[0]
    return Count(0, call.made * 2 * left[-1])


def _einsum(call: Call) -> Count:
    """2·(all index sizes) − (numbers made), once for each operand beyond the first."""
    equation = str(call.args[0]).replace(" ", "")
    operands = call.args[1:] if len(call.args) > 2 or not isinstance(call.args[1], tuple | list) else call.args[1]
    sizes: dict[str, int] = {}
    rest = 1
    for letters, operand in zip(equation.partition("->")[0].split(","), operands, strict=False):
        before, _, after = letters.partition("...")
        shape = tuple(operand.shape)
        sizes |= dict(zip(before, shape, strict=False))
        sizes |= dict(zip(reversed(after), reversed(shape), strict=False))
        rest = max(rest, math.prod(shape) // max(1, math.prod(sizes[one] for one in before + after)))
    every = math.prod(sizes.values()) * (rest if "..." in equation else 1)
    return Count(0, max(1, len(operands) - 1) * 2 * every - call.made)


def _attention_flops(heads: int, queries: int, keys: int, width: int, value_width: int) -> int:
    scores = heads * queries * keys
    return scores * (2 * width - 1) + 6 * scores + heads * queries * value_width * (2 * keys - 1)


def _attention(call: Call) -> Count:
    query, key, value = (tuple(one.shape) for one in (*call.args[:3], *call.kwargs.values())[:3])
    heads = math.prod(query[:-2])
    return Count(0, _attention_flops(heads, query[-2], key[-2], query[-1], value[-1]))


def _multi_head_attention(call: Call) -> Count:
    layer = call.layer
    assert isinstance(layer, nn.MultiheadAttention)
    query, key, value = (tuple(one.shape) for one in (*call.args[:3], *call.kwargs.values())[:3])
    width, heads = layer.embed_dim, layer.num_heads
    length = 1 if layer.batch_first else 0
    batch = query[0 if layer.batch_first else 1] if len(query) == 3 else 1
    queries, keys = (one[length] if len(one) == 3 else one[0] for one in (query, key))
    rows = batch * (queries * (width + width) + keys * (key[-1] + value[-1]))
    macs = rows * width
    inner = _attention_flops(batch * heads, queries, keys, width // heads, width // heads)
    return Count(macs, 2 * macs + inner)


def _softmax(call: Call) -> Count:
    # greatest, subtract, exponential, sum, divide
    return Count(0, 5 * call.made)


def _normalization(call: Call) -> Count:
    # mean, subtract, square, sum, scale; times and plus the parameters
    return Count(0, (7 if call.weights else 5) * call.made)


def _window(call: Call) -> int:
    kernel = call.setting("kernel_size", 1, 1)
    axes = int(call.operator[-2])
    return math.prod(kernel) if isinstance(kernel, tuple | list) else int(kernel) ** axes


def _max_pool(call: Call) -> Count:
    return Count(0, (_window(call) - 1) * math.prod(call.output))


def _average_pool(call: Call) -> Count:
    return Count(0, _window(call) * math.prod(call.output))


def _average(call: Call) -> Count:
    return Count(0, call.read)


def _reduction(call: Call) -> Count:
    return Count(0, max(call.read - math.prod(call.output), math.prod(call.output) if len(call.inputs) > 1 else 0))


def _norm(call: Call) -> Count:
    return Count(0, 2 * call.read)


# Interpolating along one axis takes 3 operations: subtract, multiply, add.
_INTERPOLATION = {"nearest": 0, "nearest-exact": 0, "linear": 3, "bilinear": 9, "trilinear": 21, "bicubic": 35}


def _interpolation(call: Call) -> Count:
    mode = "bilinear" if call.operator in ("upsample_bilinear", "grid_sample") else call.setting("mode", 3, "nearest")
    return Count(0, _INTERPOLATION.get(str(mode), 0) * call.made)


def _moving(call: Call) -> Count:
    del call
    return Count(0, 0)


HANDLERS: Mapping[str, Callable[[Call], Count]] = {
    "convolution": _convolution,
    "transposed_convolution": _transposed_convolution,
    "linear": _linear,
    "product": _product,
    "product_and_sum": _product_and_sum,
    "einsum": _einsum,
    "attention": _attention,
    "multi_head_attention": _multi_head_attention,
    "softmax": _softmax,
    "normalization": _normalization,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "average": _average,
    "reduction": _reduction,
    "norm": _norm,
    "interpolation": _interpolation,
    "moving": _moving,
}
"""The formula of each family of operators.toml; element-wise operators are a table there."""

"""TensorFlow's "SAME" padding: the output has ⌈n / stride⌉ pixels, and the odd pixel of padding goes last.

    total = max((⌈n / s⌉ - 1) · s + k - n, 0)      before = ⌊total / 2⌋      after = total - before

With a 3x3 kernel, stride 2 and an even n that is 0 before and 1 after, where PyTorch's padding=1 gives 1 and 1:
the output has the same size, but every pixel of it looks one input pixel further. Weights trained in TensorFlow
need the first. The size n is fixed when the network is built, so that the padding is a constant of the graph.

Cost: no parameter and no MAC; the padded copy of the input moves its bytes once more, unless the engine's
convolution takes uneven padding.
"""

from collections import OrderedDict

from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.conv_norm_activation import ConvNormActivation


def same_padding(kernel_size: int, stride: int, size: int) -> tuple[int, int]:
    """Return the pixels to add before and after `size` pixels.

    Args:
        kernel_size: Size of the kernel in this direction, >= 1.
        stride: Step in this direction, >= 1.
        size: Pixels of the input in this direction, >= 1.

    Raises:
        SettingError: An argument is less than 1.

    Source:
        TensorFlow, API documentation of `tf.nn`, "Notes on padding", SAME.

    Example:
        >>> same_padding(3, 2, 224), same_padding(3, 2, 7), same_padding(5, 1, 7)
        ((0, 1), (1, 1), (2, 2))
    """
    if min(kernel_size, stride, size) < 1:
        raise SettingError(
            f"kernel_size is {kernel_size}, stride {stride}, size {size}", where="same_padding", fix="all start at 1"
        )
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel_size - size, 0)
    return total // 2, total - total // 2


def same_padded(unit: nn.Module, size: int) -> nn.Sequential:
    """Return the unit with TensorFlow's padding for a square input of `size` pixels; it keeps its convolution and norm.

    Args:
        unit: A ConvNormActivation with a square kernel; its convolution is changed in place.
        size: Height and width of the unit's input. Another size with the same remainder modulo the stride works alike.

    Returns:
        `unit` itself where even padding does, else its layers behind a constant `pad`.

    Raises:
        SettingError: `unit` is something else.

    Example:
        >>> same_padded(ConvNormActivation(3, 8, 3, stride=2, activation=None), 32).pad
        ZeroPad2d((0, 1, 0, 1))
    """
    if not isinstance(unit, ConvNormActivation):
        raise SettingError(f"a {type(unit).__name__} is given", where="same_padded", fix="give a ConvNormActivation")
    convolution = unit.conv
    before, after = same_padding(convolution.kernel_size[0], convolution.stride[0], size)
    if before == after:
        convolution.padding = (before, before)
        return unit
    convolution.padding = (0, 0)
    padded: OrderedDict[str, nn.Module] = OrderedDict(pad=nn.ZeroPad2d((before, after, before, after)))
    padded.update(unit.named_children())
    return nn.Sequential(padded)

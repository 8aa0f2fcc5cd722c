"""Switches of single ncnn layers, written into the .param file: float32 for a layer that overflows, another kernel.

ncnn reads them from the layer's parameter 31, one bit a switch.
"""

from collections.abc import Mapping, Sequence

from lissome.core.errors import SettingError
from lissome.core.names import choose

FLAGS: Mapping[str, int] = {
    "no_fp16_arithmetic": 1 << 0,
    "no_fp16_storage": 1 << 1,
    "no_bf16_storage": 1 << 2,
    "no_int8": 1 << 3,
    "no_vulkan": 1 << 4,
    "no_sgemm": 1 << 5,
    "no_winograd": 1 << 6,
    "no_threading": 1 << 7,
}
"""Switch to its bit, as ncnn documents them."""


def with_layer_flags(param: str, flags: Mapping[str, Sequence[str]]) -> str:
    r"""Return a .param text in which some layers have switches set, beside those they had.

    Args:
        param: Text of the .param file.
        flags: Switches of `FLAGS` by the layer's name.

    Raises:
        SettingError: The text has no such layer.
        UnknownNameError: A switch that does not exist.

    Example:
        >>> text = "7767517\n1 1\nConvolution conv0 1 1 in0 out0 0=8 1=3\n"
        >>> with_layer_flags(text, {"conv0": ["no_winograd"]}).splitlines()[2]
        'Convolution conv0 1 1 in0 out0 0=8 1=3 31=64'
    """
    bits = {layer: sum({choose(FLAGS, one, "switch") for one in chosen}) for layer, chosen in flags.items()}
    lines, seen = param.splitlines(), set()
    for place, line in enumerate(lines[2:], start=2):
        words = line.split()
        if len(words) > 3 and words[1] in bits:
            seen.add(words[1])
            lines[place] = _with_bits(line.rstrip(), words, bits[words[1]])
    absent = sorted(set(bits) - seen)
    if absent:
        raise SettingError(f"the .param file has no layer {absent[0]!r}", where="with_layer_flags")
    return "\n".join(lines) + "\n"


def _with_bits(line: str, words: list[str], bits: int) -> str:
    old = next((word for word in words[4:] if word.startswith("31=")), None)
    if old is None:
        return f"{line} 31={bits}"
    return line.replace(f" {old}", f" 31={int(old[3:]) | bits}")

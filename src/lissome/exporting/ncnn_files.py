"""ncnn's two files as layers that hold their own weights, so that single layers can be rewritten.

The .param file names the layers in the order in which the .bin file, which has no index, holds their arrays. So reading
it needs to know how many arrays each kind of layer has; the reader proves that it does by ending at the last byte.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lissome.core.errors import ConversionError
from lissome.core.files import replacing

FLOAT32, INT8 = 0, 0x000D4B38
"""Tags before an array of weights, as ncnn's ModelBin reads them."""

_MAGIC = "7767517"


@dataclass(frozen=True, slots=True)
class NcnnLayer:
    """One layer.

    Args:
        kind: Its type, such as "Convolution".
        name: Its name.
        inputs: Names of the blobs it reads.
        outputs: Names of the blobs it writes.
        settings: Its parameters by number, as written.
        arrays: Its arrays as they lie in the .bin file, tags included.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[str, str]
    arrays: tuple[bytes, ...] = ()

    def number(self, key: int, default: int = 0) -> int:
        """Return a setting that is a whole number."""
        return int(self.settings.get(str(key), default))

    @property
    def line(self) -> str:
        """The layer as a line of the .param file."""
        ends = f"{len(self.inputs)} {len(self.outputs)}"
        settings = " ".join(f"{key}={value}" for key, value in self.settings.items())
        words = (f"{self.kind:<24} {self.name:<24} {ends}", *self.inputs, *self.outputs, settings)
        return " ".join(words).rstrip()


@dataclass(frozen=True, slots=True)
class _Array:
    count: int
    tagged: bool = False

    def bytes_at(self, data: bytes, place: int, where: str) -> int:
        """Return how many bytes the array takes."""
        if not self.tagged:
            return 4 * self.count
        if len(data) < place + 4 or struct.unpack_from("<I", data, place)[0] != FLOAT32:
            raise ConversionError("has weights that are not float32", where=where)
        return 4 + 4 * self.count


def _weights_and_bias(size: int, bias: int) -> Callable[[NcnnLayer], Sequence[_Array]]:
    def arrays(layer: NcnnLayer) -> Sequence[_Array]:
        if layer.number(19):  # the weights are an input
            return ()
        return [_Array(layer.number(size), tagged=True), *[_Array(layer.number(0))] * layer.number(bias)]

    return arrays


def _memory(layer: NcnnLayer) -> Sequence[_Array]:
    sides = [layer.number(key) for key in (0, 1, 11, 2)]
    count = 1
    for side in sides:
        count *= max(side, 1)
    return [_Array(count, tagged=layer.number(21, 1) == 0)]


_ARRAYS: Mapping[str, Callable[[NcnnLayer], Sequence[_Array]]] = {
    **dict.fromkeys(("Convolution", "ConvolutionDepthWise", "Convolution1D"), _weights_and_bias(6, 5)),
    **dict.fromkeys(("Deconvolution", "DeconvolutionDepthWise"), _weights_and_bias(6, 5)),
    "InnerProduct": _weights_and_bias(2, 1),
    "BatchNorm": lambda layer: [_Array(layer.number(0))] * 4,
    "PReLU": lambda layer: [_Array(layer.number(0))],
    "Scale": lambda layer: [_Array(layer.number(0))] * (1 + layer.number(1)),
    "LayerNorm": lambda layer: [_Array(layer.number(0))] * (2 * layer.number(2, 1)),
    "GroupNorm": lambda layer: [_Array(layer.number(1))] * (2 * layer.number(3, 1)),
    "InstanceNorm": lambda layer: [_Array(layer.number(0))] * (2 * layer.number(2, 1)),
    "MemoryData": _memory,
}
"""What each kind holds, as its own load_model reads it; kinds that are not here hold nothing."""


def read_ncnn(param: Path, weights: Path) -> list[NcnnLayer]:
    """Read files that hold float32 weights.

    Raises:
        ConversionError: A kind of layer holds weights that this does not know, or weights are not in float32.
    """
    data, place, layers = weights.read_bytes(), 0, []
    for line in param.read_text(encoding="utf-8").splitlines()[2:]:
        layer = _parsed(line.split())
        arrays = []
        for one in _ARRAYS[layer.kind](layer) if layer.kind in _ARRAYS else ():
            end = place + one.bytes_at(data, place, layer.name)
            arrays.append(data[place:end])
            place = end
        layers.append(NcnnLayer(layer.kind, layer.name, layer.inputs, layer.outputs, layer.settings, tuple(arrays)))
    if place != len(data):
        kinds = ", ".join(sorted({layer.kind for layer in layers} - set(_ARRAYS)))
        raise ConversionError(
            f"has {len(data)} bytes of weights, {place} of them known; one of {kinds} holds more", where="ncnn"
        )
    return layers


def write_ncnn(layers: Sequence[NcnnLayer], param: Path, weights: Path) -> None:
    """Write the layers as the two files, each whole or not at all."""
    blobs = sum(len(layer.outputs) for layer in layers)
    text = "\n".join([_MAGIC, f"{len(layers)} {blobs}", *(layer.line for layer in layers)]) + "\n"
    with replacing(param) as temporary:
        temporary.write_text(text, encoding="utf-8")
    with replacing(weights) as temporary:
        temporary.write_bytes(b"".join(array for layer in layers for array in layer.arrays))


def _parsed(words: list[str]) -> NcnnLayer:
    ins, outs = int(words[2]), int(words[3])
    blobs, settings = words[4 : 4 + ins + outs], words[4 + ins + outs :]
    pairs = dict(one.split("=", 1) for one in settings)
    return NcnnLayer(words[0], words[1], tuple(blobs[:ins]), tuple(blobs[ins:]), pairs)

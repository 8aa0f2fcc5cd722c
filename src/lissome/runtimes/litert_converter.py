"""The child process that writes LiteRT files: `python -m lissome.runtimes.litert_converter MODEL OUT SHAPE …`.

MODEL is a snapshot, so no pickle crosses over; a SHAPE is that of one input, 1x3x224x224.
"""

import importlib
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch

from lissome.core.snapshot import read_snapshot
from lissome.layers.fake_quantize import is_quantized
from lissome.runtimes.litert_integers import with_integer_operators


def main(words: Sequence[str]) -> None:
    """Convert; what goes wrong is the last line on standard error, which the parent reads."""
    source, target, *shapes = words
    model, _ = read_snapshot(source)
    inputs = tuple(torch.zeros(*map(int, shape.split("x"))) for shape in shapes)
    converter = importlib.import_module("litert_torch")
    if is_quantized(model):
        converter.convert(with_integer_operators(model).eval(), inputs, quant_config=_static_scales()).export(target)
    else:
        converter.convert(model.eval(), inputs).export(target)


def _static_scales() -> Any:
    """Return what tells the converter that scales are in the graph; of a quantizer it asks nothing else."""
    settings = importlib.import_module("litert_torch.quantize.quant_config")
    return settings.QuantConfig(pt2e_quantizer=SimpleNamespace(global_config=SimpleNamespace(is_dynamic=False)))


if __name__ == "__main__":
    main(sys.argv[1:])

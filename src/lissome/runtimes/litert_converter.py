"""The child process that writes LiteRT files: `python -m lissome.runtimes.litert_converter MODEL OUT SHAPE …`.

MODEL is a snapshot, so no pickle crosses over; a SHAPE is that of one input, 1x3x224x224.
"""

import importlib
import sys
from collections.abc import Sequence

import torch

from lissome.core.snapshot import read_snapshot


def main(words: Sequence[str]) -> None:
    """Convert; what goes wrong is the last line on standard error, which the parent reads."""
    source, target, *shapes = words
    model, _ = read_snapshot(source)
    inputs = tuple(torch.zeros(*map(int, shape.split("x"))) for shape in shapes)
    converter = importlib.import_module("litert_torch")
    converter.convert(model.eval(), inputs).export(target)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The child process that writes ExecuTorch files: `python -m lissome.runtimes.executorch_converter MODEL OUT SHAPE …`.

MODEL is a snapshot, so no pickle crosses over; a SHAPE is that of one input, 1x3x224x224.
"""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from lissome.core.snapshot import read_snapshot


def main(words: Sequence[str]) -> None:
    """Convert; what goes wrong is the last line on standard error, which the parent reads."""
    source, target, *shapes = words
    model, _ = read_snapshot(source)
    inputs = tuple(torch.zeros(*map(int, shape.split("x"))) for shape in shapes)
    lowering = importlib.import_module("executorch.exir")
    backend = importlib.import_module("executorch.backends.xnnpack.partition.xnnpack_partitioner")
    program = torch.export.export(model.eval(), inputs)
    edge = lowering.to_edge_transform_and_lower(program, partitioner=[backend.XnnpackPartitioner()])
    Path(target).write_bytes(edge.to_executorch().buffer)


if __name__ == "__main__":
    main(sys.argv[1:])

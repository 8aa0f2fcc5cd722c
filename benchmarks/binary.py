"""Weights of one or a few bits: what training reaches, and how long XNOR and shift kernels take against float32.

Run from the project's root, with numba and the data of `docs/data.md`:

    python benchmarks/binary.py --only-train     # may run beside other work
    python benchmarks/binary.py                  # adds the times; run it alone

Training: ResNet-20 from its trained weights, first and last layer float, the same budget for each format; the 10,000
test images are read once. Times: single layers of one image, one thread; float32 is onnxruntime's convolution. The XNOR
kernel is timed with packing its input and without. Writes `results/binary.json` and a part of `docs/quantization.md`.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from common import cell, machine_and_versions, write_result, write_section
from lissome.cli.progress import TerminalProgress
from lissome.compression.quantization import formats
from lissome.compression.quantization.train_few_bits import TrainFewBits
from lissome.core.context import Context
from lissome.data.cifar10 import default_folder
from lissome.data.task import Task
from lissome.exporting.export import export
from lissome.exporting.to_onnx import to_onnx
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.runtimes.accuracy import engine_accuracy
from lissome.runtimes.bit_kernels import is_compiled, packed, shift_codes, shift_conv2d, xnor_conv2d
from lissome.runtimes.onnxruntime import OnnxRuntime
from lissome.timing.measure import measure
from lissome.timing.pinned import pinned
from lissome.training.optimizers import AdamW
from lissome.training.train import Train

RUNS = Path("runs/binary")
FORMATS: dict[str, dict[str, Any]] = {
    "log2, 4 bits": {"format": formats.Log2(bits=4)},
    "ternary": {"format": formats.Ternary()},
    "binary": {"format": formats.Binary()},
    "binary, inputs too": {"format": formats.Binary(), "inputs": True},
}
LAYERS = {
    "3x3, 64 channels, 28x28": (64, 28, 3),
    "3x3, 128 channels, 14x14": (128, 14, 3),
    "3x3, 256 channels, 14x14": (256, 14, 3),
    "1x1, 256 channels, 14x14": (256, 14, 1),
    "linear, 1024 to 1024": (1024, 1, 1),
}
"""Channels in and out, side, kernel."""


def main() -> None:
    """Train, time, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only-train", action="store_true", help="no times")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--images", type=int, default=20000, help="training images an epoch")
    parser.add_argument("--seconds", type=float, default=8.0, help="for each layer")
    parser.add_argument("--limit", type=int, default=None, help="formats and layers, for a try; nothing is written")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp()) if arguments.limit else RUNS
    folder.mkdir(parents=True, exist_ok=True)
    table: dict[str, Any] = {
        **machine_and_versions("onnxruntime", *(["numba"] if is_compiled() else [])),
        "seed": 0,
        "epochs": arguments.epochs,
        "images": arguments.images,
        "compiled": is_compiled(),
        "formats": trained(folder, arguments),
    }
    if not arguments.only_train:
        chosen = list(LAYERS.items())[: arguments.limit]
        table["layers"] = {title: times(*shape, arguments.seconds) for title, shape in chosen}
    print(json.dumps(table, indent=1))
    if not arguments.limit:
        write_result("binary", table)
        write_page(table)


def trained(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return test accuracy and stored size of each format."""
    task = Task.from_cifar10()
    task = replace(task, train=task.train.subset(np.arange(min(arguments.images, len(task.train)))))
    model = create("resnet20")
    load_weights(model, next((default_folder().parent / "weights/cifar10_resnet_akamaster").glob("resnet20-*.th")))
    found = {}
    with TerminalProgress() as progress:
        context = Context(task, seed=0, progress=progress)
        for title, settings in list(FORMATS.items())[: arguments.limit]:
            found[title] = cell(folder, title, partial(_trained, model.eval(), settings, context, folder, arguments))
    return found


def _trained(
    model: nn.Module, settings: dict[str, Any], context: Context, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    train = Train(epochs=arguments.epochs, optimizer=AdamW(learning_rate=0.001))
    outcome = TrainFewBits(**settings, train=train).apply(model, context)
    artifact = export(outcome, folder / "trained.lissome", runtimes=["onnxruntime"], context=context)
    task = context.require_task()
    limit = 100 if arguments.limit else None
    return {
        "test_accuracy": engine_accuracy(artifact.session("onnxruntime"), task.test, task.metric, limit=limit),
        "file_kib": artifact.size_kib("onnxruntime"),
        "stored_kib": artifact.stored_kib("onnxruntime"),
    }


def times(channels: int, side: int, kernel: int, seconds: float) -> dict[str, Any]:
    """Time one layer in float32, in bits and in shifts, in turn, on the same input."""
    torch.manual_seed(0)
    layer = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False)
    image = torch.randn(1, channels, side, side)
    places = np.ascontiguousarray(image.permute(0, 2, 3, 1).numpy())
    weight = np.ascontiguousarray(layer.weight.detach().permute(0, 2, 3, 1).numpy())
    bits, weight_bits, padding = packed(places), packed(weight), kernel // 2
    codes = formats.Log2(bits=4).quantize(layer.weight)
    powers = shift_codes(codes.integers.reshape(layer.weight.shape).permute(0, 2, 3, 1).numpy(), 7)
    whole = np.ascontiguousarray((places * 32).clip(0, 255).astype(np.int32))
    with tempfile.TemporaryDirectory() as folder, pinned(1):
        to_onnx(layer, (image,), Path(folder, "graph.onnx"))
        session = OnnxRuntime().load(folder, threads=1)
        given = image.numpy()
        timing = measure(
            {
                "float32": lambda: session.run(given),
                "xnor": lambda: xnor_conv2d(bits, weight_bits, channels, padding=padding),
                "xnor with packing": lambda: xnor_conv2d(packed(places), weight_bits, channels, padding=padding),
                "shift": lambda: shift_conv2d(whole, powers, padding=padding),
            },
            baseline="float32",
            rounds=30,
            seconds=seconds,
        )
    return timing.to_dict()


def write_page(table: dict[str, Any]) -> None:
    """Write the tables."""
    compiled = "compiled by numba" if table["compiled"] else "in numpy, not compiled"
    text = [
        f"ResNet-20 on CIFAR-10 from its trained weights, {table['epochs']} epochs of {table['images']:,} images, "
        f"first and last layer float, accuracy on 10,000 test images in onnxruntime; {table['machine']['cpu']}.",
        "",
        "| weights | accuracy | file, KiB | stored, KiB |",
        "|---|---|---|---|",
        *(
            f"| {title} | {one['test_accuracy']:.2%} | {one['file_kib']:,.0f} | {one['stored_kib']:,.0f} |"
            for title, one in table["formats"].items()
        ),
    ]
    if "layers" in table:
        text += [
            "",
            f"One layer, one image, one thread; kernels {compiled}; times as fast as onnxruntime's float32:",
            "",
        ]
        names = list(next(iter(table["layers"].values()))["speedup"])
        text += [f"| layer | float32, ms | {' | '.join(names)} |", "|---|" + "---|" * (1 + len(names))]
        for title, one in table["layers"].items():
            gains = [f"{one['speedup'][name]['median']:.2f}x" for name in names]
            text.append(f"| {title} | {one['candidates']['float32']['median_ms']:.3f} | {' | '.join(gains)} |")
    write_section("quantization.md", "bits", "\n".join(text))


if __name__ == "__main__":
    main()

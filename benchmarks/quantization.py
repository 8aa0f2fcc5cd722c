"""Formats and bits against accuracy, size and time; int8 of a depthwise network beside two peers.

Run from the project's root, with the data of `docs/data.md`:

    python benchmarks/quantization.py --only-accuracy     # may run beside other work
    python benchmarks/quantization.py                     # adds the times; run it alone

CIFAR: each network in each format, on the 10,000 test images, computed by onnxruntime; ranges are calibrated on 256
training images. EfficientNet-Lite0: calibrated on 100 images of coco128's train2017 and judged against its own float32
on the 128 images of val2017: share of equal decisions, and mean cosine of the outputs. Peers, where they are installed
(`onnxruntime.quantization`, `nncf`), get the same images in the same run. Seconds of quantizing are CPU seconds of this
process. Finished cells are kept in `runs/quantization`; started again, it goes on from there.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image
from torch import Tensor, nn

from common import machine_and_versions, write_result
from lissome.cli.progress import TerminalProgress
from lissome.compression.quantization import calibrators, formats
from lissome.compression.quantization.ada_round import AdaRound
from lissome.compression.quantization.correct_bias import CorrectBias
from lissome.compression.quantization.equalize_layers import EqualizeLayers
from lissome.compression.quantization.quantize import Quantize
from lissome.compression.quantization.quantize_weights import QuantizeWeights
from lissome.core.context import Context
from lissome.core.files import write_text
from lissome.core.preprocessing import Preprocessing
from lissome.core.recipe import Recipe
from lissome.core.step import Step
from lissome.data.cifar10 import default_folder
from lissome.data.split import ArraySplit
from lissome.data.task import Task
from lissome.exporting.export import export
from lissome.exporting.to_onnx import to_onnx
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.runtimes.artifact import Artifact, load
from lissome.timing.pinned import pinned
from lissome.timing.sessions import engine_accuracy, measure_sessions

RUNS = Path("runs/quantization")
ENGINE = "onnxruntime"
CALIBRATION = 100

CIFAR: dict[str, Step | None] = {
    "float32": None,
    "int8": Quantize(),
    "int8, bias corrected": Recipe(Quantize(), CorrectBias()),
    "int8 per tensor": Quantize(weights=formats.Int8()),
    "int8, scales powers of two": Quantize(weights=formats.PowerOfTwo(), activations=formats.PowerOfTwo()),
    "w4a8 nearest": Quantize(weights=formats.Uniform(bits=4)),
    "w4a8 AdaRound": Recipe(Quantize(weights=formats.Uniform(bits=4)), AdaRound()),
    "w3a8 AdaRound": Recipe(Quantize(weights=formats.Uniform(bits=3)), AdaRound()),
    **{f"weights int{bits}": QuantizeWeights(bits=bits) for bits in (8, 6, 5, 4, 3, 2)},
    "weights log2, 4 bits": QuantizeWeights(format=formats.Log2(bits=4)),
    "weights ternary": QuantizeWeights(format=formats.Ternary()),
    "weights binary": QuantizeWeights(format=formats.Binary()),
    "weights float16": QuantizeWeights(format=formats.Float16()),
    "weights bfloat16": QuantizeWeights(format=formats.BFloat16()),
}


def _lite(weights: formats.Format, *after: Step, before: tuple[Step, ...] = (), calibrator: Any = None) -> Recipe:
    chosen = calibrator or calibrators.MinMax()
    return Recipe(*before, Quantize(weights=weights, images=CALIBRATION, calibrator=chosen), *after)


_CHANNEL, _TENSOR, _FOUR = formats.Int8(per="channel"), formats.Int8(), formats.Uniform(bits=4)
_BIAS, _ROUND = CorrectBias(images=CALIBRATION), AdaRound(images=CALIBRATION, steps=0)
LITE: dict[str, Recipe] = {
    "per channel, min-max": _lite(_CHANNEL),
    "per channel, percentile": _lite(_CHANNEL, calibrator=calibrators.Percentile()),
    "per channel, entropy": _lite(_CHANNEL, calibrator=calibrators.Entropy()),
    "per channel, squared error": _lite(_CHANNEL, calibrator=calibrators.MeanSquaredError()),
    "per channel, bias corrected": _lite(_CHANNEL, _BIAS),
    "per channel, equalised, bias corrected": _lite(_CHANNEL, _BIAS, before=(EqualizeLayers(images=CALIBRATION),)),
    "per channel, AdaRound": _lite(_CHANNEL, _ROUND),
    "per tensor": _lite(_TENSOR),
    "per tensor, equalised": _lite(_TENSOR, before=(EqualizeLayers(images=CALIBRATION),)),
    "per tensor, equalised, bias corrected": _lite(_TENSOR, _BIAS, before=(EqualizeLayers(images=CALIBRATION),)),
    "4-bit weights, nearest": _lite(_FOUR),
    "4-bit weights, AdaRound": _lite(_FOUR, _ROUND),
}


def main() -> None:
    """Fill the cells, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only-accuracy", action="store_true", help="no times")
    parser.add_argument("--seconds", type=float, default=20.0, help="for the times of each network")
    parser.add_argument("--limit", type=int, default=None, help="test images and cells, for a try; nothing is written")
    arguments = parser.parse_args()
    table: dict[str, Any] = {
        **machine_and_versions("onnxruntime", "onnx"),
        "seed": 0,
        "calibration_images": CALIBRATION,
    }
    with TerminalProgress() as progress:
        for name, (task, model) in _networks().items():
            context = Context(task, seed=0, progress=progress)
            table[name] = cifar_cells(name, model, context, arguments)
        table["efficientnet_lite0"] = lite_cells(progress, arguments)
    print(json.dumps(table, indent=1))
    if not arguments.limit:
        write_result("quantization", table)


def cell(name: str, make: Callable[[], dict[str, Any]], *, keep: bool) -> dict[str, Any]:
    """Return a cell that is finished, or make and keep it."""
    path = RUNS / f"{''.join(one if one.isalnum() else '_' for one in name)}.json"
    if keep and path.is_file():
        done: dict[str, Any] = json.loads(path.read_text())
        return done
    made = make()
    if keep:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(made, indent=1))
    return made


def _networks() -> dict[str, tuple[Task, nn.Module]]:
    weights = default_folder().parent / "weights"
    normal = Task.from_cifar10()
    found: dict[str, tuple[Task, nn.Module]] = {}
    for name in ("resnet20", "resnet56"):
        model = create(name)
        load_weights(model, next(weights.glob(f"cifar10_resnet_akamaster/{name}-*.th")))
        found[name] = normal, model.eval()
    small = create("mlperf_tiny_resnet8")
    load_weights(small, weights / "mlperf_tiny/pretrainedResnet.h5")
    parts = [(one.raw(), one.labels()) for one in (normal.train, normal.validation, normal.test)]
    (train, train_labels), (validation, validation_labels), (test, test_labels) = parts
    plain = Task.from_arrays(
        np.concatenate([train, validation]),
        np.concatenate([train_labels, validation_labels]),
        test,
        test_labels,
        preprocessing=Preprocessing(channels=3, height=32, width=32, scale=1.0),
    )
    found["mlperf_tiny_resnet8"] = plain, small.eval()
    return found


def cifar_cells(name: str, model: nn.Module, context: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return accuracy and size of a network in every format, and latency unless only accuracy is asked for."""
    keep = arguments.limit is None
    folder = RUNS if keep else Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    files: dict[str, Path] = {}
    for number, (title, step) in enumerate(list(CIFAR.items())[: arguments.limit]):
        files[title] = folder / f"{name}_{number}.lissome"
        make = partial(_cifar_cell, model, step, context, files[title], arguments.limit)
        found[title] = cell(f"{name} {title}", make, keep=keep)
    if not arguments.only_accuracy:
        with pinned(1):
            sessions = {title: load(path).session(ENGINE, threads=1) for title, path in files.items()}
            timing = measure_sessions(
                sessions, context.example_inputs()[0].numpy(), baseline="float32", rounds=50, seconds=arguments.seconds
            )
        for title in found:
            found[title]["latency_ms"] = timing.latency(title).to_dict()
            if title != "float32":
                found[title]["speedup"] = timing.speedup(title, over="float32").to_dict()
    return found


def _cifar_cell(model: nn.Module, step: Step | None, context: Context, path: Path, limit: int | None) -> dict[str, Any]:
    outcome = step.apply(model, context) if step else model
    artifact: Artifact = export(outcome, path, runtimes=[ENGINE], context=context)
    task = context.require_task()
    return {
        "test_accuracy": engine_accuracy(artifact.session(ENGINE), task.test, task.metric, limit=limit),
        "file_kib": artifact.size_kib(ENGINE),
        "stored_kib": artifact.stored_kib(ENGINE),
    }


def lite_cells(progress: TerminalProgress, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return agreement, cosine and CPU seconds of every recipe and peer on EfficientNet-Lite0."""
    data = default_folder().parent
    model = create("efficientnet_lite0")
    load_weights(model, data / "weights/imagenet_efficientnet_lite0/efficientnet-lite0-57934424.pth")
    model.eval()
    task = _coco(data / "coco128/images", arguments.limit)
    context = Context(task, seed=0, progress=progress)
    images = torch.cat([one for one, _ in task.test.batches(32)])
    with torch.no_grad():
        expected = torch.cat([model(one) for one in images.split(16)])
    recipes = list(LITE.items())[: arguments.limit]
    makers: dict[str, Callable[[], dict[str, Any]]] = {}
    makers |= {title: partial(_ours, model, one, context, images, expected) for title, one in recipes}
    makers |= {title: partial(_peer, model, one, task, images, expected) for title, one in PEERS.items()}
    makers["NNCF"] = partial(_nncf, model, task, images, expected)
    return {title: cell(f"lite {title}", make, keep=arguments.limit is None) for title, make in makers.items()}


def _coco(folder: Path, limit: int | None) -> Task:
    prepared = Preprocessing(channels=3, height=224, width=224, scale=1.0, mean=(127.0,) * 3, std=(128.0,) * 3)

    def split(name: str, count: int) -> ArraySplit:
        paths = sorted((folder / name).glob("*.jpg"))[: min(count, 4 * limit if limit else count)]
        return ArraySplit(np.stack([_crop(one) for one in paths]), np.zeros(len(paths), np.int64), prepared)

    train, test = split("train2017", CALIBRATION), split("val2017", 128)
    names = tuple(map(str, range(1000)))
    return Task(train=train, validation=test, test=test, class_names=names, preprocessing=prepared)


def _crop(path: Path) -> Any:
    """Return the centre 224 x 224 of a picture whose shorter side is 256, bicubic (0.875 of it)."""
    picture = Image.open(path).convert("RGB")
    factor = 256 / min(picture.size)
    picture = picture.resize((round(picture.width * factor), round(picture.height * factor)), Image.Resampling.BICUBIC)
    left, top = (picture.width - 224) // 2, (picture.height - 224) // 2
    return np.asarray(picture.crop((left, top, left + 224, top + 224)))


def _judged(path: Path, images: Tensor, expected: Tensor, seconds: float) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    outputs = torch.cat([torch.from_numpy(session.run(None, {name: one.numpy()})[0]) for one in images.split(16)])
    return {
        "agreement": float((outputs.argmax(1) == expected.argmax(1)).double().mean()),
        "cosine": float(torch.cosine_similarity(outputs, expected).mean()),
        "cpu_seconds": seconds,
        "file_kib": path.stat().st_size / 1024,
    }


def _ours(model: nn.Module, recipe: Recipe, context: Context, images: Tensor, expected: Tensor) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        outcome = recipe.apply(model, context)
        to_onnx(outcome.model, (images[:1],), Path(folder, "ours.onnx"))
        seconds = time.process_time() - started
        return _judged(Path(folder, "ours.onnx"), images, expected, seconds)


PEERS: dict[str, dict[str, Any]] = {
    "quantize_static per channel, min-max": {"per_channel": True, "calibrate_method": CalibrationMethod.MinMax},
    "quantize_static per channel, percentile": {"per_channel": True, "calibrate_method": CalibrationMethod.Percentile},
    "quantize_static per channel, entropy": {"per_channel": True, "calibrate_method": CalibrationMethod.Entropy},
    "quantize_static per tensor, min-max": {"per_channel": False, "calibrate_method": CalibrationMethod.MinMax},
}


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, task: Task) -> None:
        self._batches: Iterable[Any] = iter(task.train.batches(1))

    def get_next(self) -> dict[str, Any] | None:
        images = next(self._batches, None)  # type: ignore[call-overload]
        return None if images is None else {"input": images[0].numpy()}


def _peer(model: nn.Module, settings: dict[str, Any], task: Task, images: Tensor, expected: Tensor) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, made = (Path(folder, name) for name in ("float.onnx", "prepared.onnx", "int8.onnx"))
        to_onnx(model, (images[:1],), plain)
        started = time.process_time()
        quant_pre_process(str(plain), str(prepared))
        quantize_static(
            str(prepared),
            str(made),
            _Reader(task),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            **settings,
        )
        return _judged(made, images, expected, time.process_time() - started)


def _nncf(model: nn.Module, task: Task, images: Tensor, expected: Tensor) -> dict[str, Any]:
    try:
        import nncf
    except ImportError:
        return {"declined": "nncf is not installed"}
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        plain, made = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        to_onnx(model, (images[:1],), plain)
        batches = nncf.Dataset([one for one, _ in task.train.batches(1)], lambda one: {"input": one.numpy()})
        started = time.process_time()
        onnx.save(nncf.quantize(onnx.load(plain), batches, subset_size=CALIBRATION), made)
        return _judged(made, images, expected, time.process_time() - started)


if __name__ == "__main__":
    main()

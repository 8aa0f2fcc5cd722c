"""EfficientNet-Lite0 in int8, on three engines and beside two peers; `quantization.py` runs it.

Calibrated on 100 images of coco128's train2017 and judged against its own float32 on the 128 images of val2017: share
of equal decisions, and mean cosine of the outputs. Peers, where they are installed (`onnxruntime.quantization`,
`nncf`), get the same images in the same run. Seconds are those of one pinned CPU, from images to the written file.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image
from torch import Tensor, nn

from common import cell
from lissome.compression.quantization import calibrators, formats
from lissome.compression.quantization.absorb_bias import AbsorbBias
from lissome.compression.quantization.ada_round import AdaRound
from lissome.compression.quantization.correct_bias import CorrectBias
from lissome.compression.quantization.equalize_layers import EqualizeLayers
from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context
from lissome.core.errors import LissomeError
from lissome.core.preprocessing import Preprocessing
from lissome.core.progress import Progress
from lissome.core.recipe import Recipe
from lissome.core.step import Step
from lissome.data.cifar10 import default_folder
from lissome.data.split import ArraySplit
from lissome.data.task import Task
from lissome.exporting.export import export
from lissome.exporting.to_onnx import to_onnx
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.runtimes.artifact import load
from lissome.timing.pinned import pinned
from lissome.timing.sessions import measure_sessions

CALIBRATION = 100
ENGINES = ("onnxruntime", "ncnn", "openvino")
CURVE = (1, 2, 5, 10, 25, 50, 100)


def _recipe(
    weights: formats.Format,
    *after: Step,
    before: tuple[Step, ...] = (),
    calibrator: Any = None,
    images: int = CALIBRATION,
) -> Recipe:
    chosen = calibrator or calibrators.MinMax()
    return Recipe(*before, Quantize(weights=weights, images=images, calibrator=chosen), *after)


_CHANNEL, _TENSOR, _FOUR = formats.Int8(per="channel"), formats.Int8(), formats.Uniform(bits=4)
_BIAS, _ROUND = CorrectBias(images=CALIBRATION), AdaRound(images=CALIBRATION, steps=0)
_EQUAL = (EqualizeLayers(images=CALIBRATION),)
EVERYWHERE: dict[str, Recipe | None] = {
    "float32": None,
    "per channel, min-max": _recipe(_CHANNEL),
    "per channel, bias corrected": _recipe(_CHANNEL, _BIAS),
    "per channel, equalised, bias corrected": _recipe(_CHANNEL, _BIAS, before=_EQUAL),
    "per channel, AdaRound": _recipe(_CHANNEL, _ROUND),
}
"""What every engine computes."""

OTHERS: dict[str, Recipe | None] = {
    "per channel, percentile": _recipe(_CHANNEL, calibrator=calibrators.Percentile()),
    "per channel, entropy": _recipe(_CHANNEL, calibrator=calibrators.Entropy()),
    "per channel, squared error": _recipe(_CHANNEL, calibrator=calibrators.MeanSquaredError()),
    "per tensor": _recipe(_TENSOR),
    "per tensor, equalised": _recipe(_TENSOR, before=_EQUAL),
    "per tensor, equalised, bias corrected": _recipe(_TENSOR, _BIAS, before=_EQUAL),
    "4-bit weights, nearest": _recipe(_FOUR),
    "4-bit weights, AdaRound": _recipe(_FOUR, _ROUND),
    "per tensor, equalised, absorbed, bias corrected": _recipe(_TENSOR, _BIAS, before=(*_EQUAL, AbsorbBias())),
    "per tensor, equalised, AdaRound": _recipe(_TENSOR, _ROUND, before=_EQUAL),
    "per channel, no image read": Recipe(
        EqualizeLayers(source="statistics"),
        AbsorbBias(),
        Quantize(weights=_CHANNEL, calibrator=calibrators.DataFree(input=(-127 / 128, 1.0))),
        CorrectBias(source="statistics"),
    ),
}
"""What is judged on the first engine alone."""

PEERS: dict[str, dict[str, Any]] = {
    "quantize_static per channel, min-max": {"per_channel": True, "calibrate_method": CalibrationMethod.MinMax},
    "quantize_static per channel, percentile": {"per_channel": True, "calibrate_method": CalibrationMethod.Percentile},
    "quantize_static per channel, entropy": {"per_channel": True, "calibrate_method": CalibrationMethod.Entropy},
    "quantize_static per tensor, min-max": {"per_channel": False, "calibrate_method": CalibrationMethod.MinMax},
}
TIMED = ("per channel, min-max", "per channel, percentile", "per channel, entropy")


@cache
def _network() -> nn.Module:
    model = create("efficientnet_lite0")
    weights = default_folder().parent / "weights/imagenet_efficientnet_lite0/efficientnet-lite0-57934424.pth"
    load_weights(model, weights)
    return model.eval()


@cache
def _task(limit: int | None) -> Task:
    folder = default_folder().parent / "coco128/images"
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


def lite_cells(folder: Path, progress: Progress, limit: int | None) -> dict[str, Any]:
    """Return agreement and cosine of every recipe, by engine, of the peers, and the curve over calibration images."""
    task, model = _task(limit), _network()
    context = Context(task, seed=0, progress=progress)
    images = torch.cat([one for one, _ in task.test.batches(32)])
    with torch.no_grad():
        expected = torch.cat([model(one) for one in images.split(16)])
    ours: dict[str, Any] = {}
    for title, recipe in list((EVERYWHERE | OTHERS).items())[:limit]:
        for engine in ENGINES if title in EVERYWHERE else ENGINES[:1]:
            make = partial(_ours, recipe, context, _file(folder, title, engine), images, expected)
            ours.setdefault(title, {})[engine] = cell(folder, f"lite {title} {engine}", make)
    peers = {
        title: cell(folder, f"lite {title}", partial(_judged_peer, make, folder / _plain(title), images, expected))
        for title, make in list(_peers(limit).items())[:limit]
    }
    curve = {}
    for count in CURVE[:limit]:
        for kind, calibrator in (("min-max", calibrators.MinMax()), ("entropy", calibrators.Entropy())):
            recipe = _recipe(_CHANNEL, calibrator=calibrator, images=count)
            path = folder / f"curve_{kind}_{count}_{ENGINES[0]}.lissome"
            make = partial(_ours, recipe, context, path, images, expected)
            curve[f"{count} images, {kind}"] = cell(folder, f"lite curve {kind} {count}", make)
    return {"ours": ours, "peers": peers, "curve": curve}


def _plain(title: str) -> str:
    return "".join(one if one.isalnum() else "_" for one in title) + ".onnx"


def _file(folder: Path, title: str, engine: str) -> Path:
    return folder / f"lite_{list(EVERYWHERE | OTHERS).index(title)}_{engine}.lissome"


def _judged(session: Any, images: Tensor, expected: Tensor) -> dict[str, Any]:
    outputs = torch.cat([torch.from_numpy(session.run(one.numpy())[0]) for one in images.split(16)])
    return {
        "agreement": float((outputs.argmax(1) == expected.argmax(1)).double().mean()),
        "cosine": float(torch.cosine_similarity(outputs, expected).mean()),
    }


def _ours(recipe: Recipe | None, context: Context, path: Path, images: Tensor, expected: Tensor) -> dict[str, Any]:
    engine = path.stem.rpartition("_")[2]
    try:
        outcome = recipe.apply(_network(), context) if recipe else _network()
        artifact = export(outcome, path, runtimes=[engine], context=context)
    except LissomeError as error:
        return {"declined": str(error)}
    found = _judged(artifact.session(engine), images, expected)
    return found | {"file_kib": artifact.size_kib(engine), "note": artifact.card.engines[engine].note}


class _Plain:
    """A session of onnxruntime on a peer's file."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._inner = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._name = self._inner.get_inputs()[0].name

    def run(self, *images: Any) -> tuple[Any, ...]:
        return tuple(self._inner.run(None, {self._name: images[0]}))


def _judged_peer(make: Callable[[Path], float], path: Path, images: Tensor, expected: Tensor) -> dict[str, Any]:
    try:
        make(path)
    except ImportError as error:
        return {"declined": f"not installed: {error.name}"}
    return _judged(_Plain(path), images, expected) | {"file_kib": path.stat().st_size / 1024}


def _peers(limit: int | None) -> dict[str, Callable[[Path], float]]:
    """Return what writes each peer's file and returns the seconds it took."""
    made: dict[str, Callable[[Path], float]] = {
        title: partial(_quantize_static, settings, limit) for title, settings in PEERS.items()
    }
    return made | {"NNCF": partial(_nncf, limit)}


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, task: Task) -> None:
        self._batches: Iterable[Any] = iter(task.train.batches(1))

    def get_next(self) -> dict[str, Any] | None:
        images = next(self._batches, None)  # type: ignore[call-overload]
        return None if images is None else {"input": images[0].numpy()}


def _quantize_static(settings: Mapping[str, Any], limit: int | None, made: Path) -> float:
    plain, prepared = made.with_suffix(".float.onnx"), made.with_suffix(".prepared.onnx")
    to_onnx(_network(), (torch.zeros(1, 3, 224, 224),), plain)
    started = time.perf_counter()
    quant_pre_process(str(plain), str(prepared))
    quantize_static(
        str(prepared),
        str(made),
        _Reader(_task(limit)),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        **settings,
    )
    return time.perf_counter() - started


def _nncf(limit: int | None, made: Path) -> float:
    import nncf
    import onnx

    plain = made.with_suffix(".float.onnx")
    to_onnx(_network(), (torch.zeros(1, 3, 224, 224),), plain)
    images = [one for one, _ in _task(limit).train.batches(1)]
    started = time.perf_counter()
    batches = nncf.Dataset(images, lambda one: {"input": one.numpy()})
    onnx.save(nncf.quantize(onnx.load(plain), batches, subset_size=CALIBRATION), made)
    return time.perf_counter() - started


def lite_times(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the seconds that each tool takes to quantize, in turn, and the latency of what they made."""
    makers: dict[str, Callable[[Path], float]] = {
        f"lissome {title}": partial(_seconds_of_ours, (EVERYWHERE | OTHERS)[title], arguments.limit) for title in TIMED
    }
    makers |= _peers(arguments.limit)
    seconds: dict[str, Any] = {}
    with pinned(1):
        for _ in range(arguments.repeats):
            for title, make in makers.items():
                try:
                    seconds.setdefault(title, []).append(make(folder / "timed.onnx"))
                except ImportError as error:
                    seconds[title] = {"declined": f"not installed: {error.name}"}
    kept = {title: one if isinstance(one, dict) else _spread(one) for title, one in seconds.items()}
    return {"seconds_to_quantize": kept, "latency": _latency(folder, arguments.seconds)}


def _spread(values: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "all": values}


def _seconds_of_ours(recipe: Recipe, limit: int | None, made: Path) -> float:
    context = Context(_task(limit), seed=0)
    started = time.perf_counter()
    to_onnx(recipe.apply(_network(), context).model, (torch.zeros(1, 3, 224, 224),), made)
    return time.perf_counter() - started


def _latency(folder: Path, seconds: float) -> dict[str, Any]:
    """Return, engine by engine, the latency of float32 and int8, all in turn."""
    found: dict[str, Any] = {}
    for engine in ENGINES:
        files = {title: _file(folder, title, engine) for title in EVERYWHERE}
        with pinned(1):
            sessions: dict[str, Any] = {
                title: load(path).session(engine, threads=1) for title, path in files.items() if path.is_file()
            }
            if engine == "onnxruntime":
                paths = {title: folder / _plain(title) for title in _peers(None)}
                sessions |= {title: _Plain(path) for title, path in paths.items() if path.is_file()}
            image = np.random.default_rng(0).random((1, 3, 224, 224), np.float32)
            timing = measure_sessions(sessions, image, baseline="float32", rounds=50, seconds=seconds)
        found[engine] = {title: {"latency_ms": timing.latency(title).to_dict()} for title in sessions}
        for title in sessions:
            if title != "float32":
                found[engine][title]["speedup"] = timing.speedup(title, over="float32").to_dict()
    return found

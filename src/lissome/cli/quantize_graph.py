"""What `lissome quantize` does with an ONNX file of the user."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from lissome.cli.options import show
from lissome.cli.progress import TerminalProgress
from lissome.compression.quantization.calibrators import Calibrator
from lissome.compression.quantization.quantize_onnx import QuantizedGraph, quantize_onnx
from lissome.core.errors import BadDataError, BadModelError, SettingError
from lissome.core.files import replacing
from lissome.core.preprocessing import Preprocessing
from lissome.core.progress import Progress
from lissome.data.image_files import FileSplit, is_image_file
from lissome.exporting.examine_onnx import examine, read_onnx
from lissome.exporting.export_onnx import export_onnx
from lissome.exporting.graph_proof import serialized
from lissome.timing.graph_gain import AFTER, BEFORE, measure_graphs
from lissome.timing.measure import Timing
from lissome.timing.measure_latency import require_speedup

_JUDGED = 16
"""At most so many of the pictures are held out, and at least one: what calibrated a graph cannot judge it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphJob:
    """What is asked for.

    Args:
        source: The .onnx file.
        out: The .onnx or .lissome file to write.
        data: A folder of pictures, or an .npz file with the array "inputs", as the network takes them.
        calibrator: How ranges are chosen.
        images: Pictures to calibrate on.
        pixels: Scale, mean and deviation, of which mean and deviation have one number or one a channel.
        runtimes: Engines.
        seconds: Time for the latency of both graphs on each engine; 0 measures none.
        require_speedup: The factor by which the new graph must surely be faster on each engine, or None.
        seed: Whence all randomness comes.
    """

    source: str
    out: Path
    data: str
    calibrator: Calibrator
    images: int
    pixels: tuple[float, tuple[float, ...], tuple[float, ...]]
    runtimes: tuple[str, ...]
    seconds: float
    require_speedup: float | None
    seed: int


def quantize_file(job: GraphJob, *, as_json: bool) -> None:
    """Quantize a file and show the receipt."""
    with TerminalProgress(quiet=as_json) as progress:
        made, times = quantize_graph(job, progress)
    lines = [str(made), *(f"\n{engine}\n{one}\n" for engine, one in times.items())]
    lines += [f"{one}: int8 is not measurably faster here" for one, time in times.items() if not _faster(time)]
    measured = {engine: one.to_dict() for engine, one in times.items()}
    lines.append(f"wrote {job.out}")
    show("\n".join(lines), {**made.to_dict(), "measured": measured, "out": str(job.out)}, as_json=as_json)


def _faster(timing: Timing) -> bool:
    return timing.speedup(AFTER, over=BEFORE).low > 1


def quantize_graph(job: GraphJob, progress: Progress) -> tuple[QuantizedGraph, dict[str, Timing]]:
    """Quantize, judge on pictures that were held out, measure, and write.

    Returns:
        The graph with its receipt, and the times by engine.

    Raises:
        LissomeError: Whatever is refused; nothing is written then.
    """
    if job.out.suffix not in (".onnx", ".lissome"):
        raise SettingError(f"is {job.out}", where="--out", fix="give a name that ends in .onnx or .lissome")
    if job.require_speedup is not None and not job.seconds:
        raise SettingError("needs times", where="--require-speedup", fix="leave --measure at more than 0")
    examine(job.source)
    model = read_onnx(job.source)
    pictures = _pictures(job, model)
    held_out = max(1, min(_JUDGED, len(pictures) // 4))
    calibrating = pictures[held_out:]
    made = quantize_onnx(
        model,
        [calibrating],
        calibrator=job.calibrator,
        held_out=[pictures[:held_out]],
        progress=progress,
    )
    times: dict[str, Timing] = {}
    for engine in job.runtimes if job.seconds else ():
        progress.say(f"measuring on {engine}")
        graphs = {BEFORE: model, AFTER: made.model}
        times[engine] = measure_graphs(graphs, engine, baseline=BEFORE, seconds=job.seconds, seed=job.seed)
    for engine, timing in times.items():
        if job.require_speedup is not None:
            require_speedup(timing.speedup(AFTER, over=BEFORE), job.require_speedup, engine)
    _write(job, made.model, pictures[:held_out])
    return made, times


def _write(job: GraphJob, model: onnx.ModelProto, samples: npt.NDArray[np.float32]) -> None:
    if job.out.suffix == ".onnx":
        with replacing(job.out) as temporary:
            temporary.write_bytes(serialized(model))
        return
    graph = job.out.with_name(f"{job.out.name}.graph.onnx")
    try:
        graph.write_bytes(serialized(model))
        export_onnx(graph, job.out, runtimes=job.runtimes, samples=samples, seed=job.seed)
    finally:
        graph.unlink(missing_ok=True)


def _pictures(job: GraphJob, model: onnx.ModelProto) -> npt.NDArray[np.float32]:
    """Return the pictures as the network takes them, (N, C, H, W), in an order that a seed decides.

    Raises:
        BadDataError: There are not two of them, or they do not fit the network.
    """
    sides = _sides(job.source, model)
    if job.data.endswith(".npz"):
        images = _stored(job.data)
        if images.shape[1:] != sides:
            raise BadDataError(f"holds inputs of {images.shape[1:]}, the network takes {sides}", where=job.data)
    else:
        folder = Path(job.data)
        paths = sorted(path for path in folder.rglob("*") if is_image_file(path)) if folder.is_dir() else []
        if len(paths) < 2:
            raise BadDataError("has not two pictures", where=job.data, fix="give a folder of pictures, or an .npz file")
        order = np.random.default_rng(job.seed).permutation(len(paths))
        chosen = [paths[place] for place in order[: job.images + _JUDGED]]
        scale, mean, std = job.pixels
        each = {"mean": _each(mean, sides[0], "--mean"), "std": _each(std, sides[0], "--std")}
        prepared = Preprocessing(channels=sides[0], height=sides[1], width=sides[2], scale=scale, **each)
        split = FileSplit(chosen, np.zeros(len(chosen), np.int64), prepared)
        return np.concatenate([one.numpy() for one, _ in split.batches(16)])
    return images[: job.images + _JUDGED]


def _stored(path: str) -> npt.NDArray[np.float32]:
    try:
        with np.load(path, allow_pickle=False) as file:
            images = np.asarray(file["inputs"])
    except (OSError, ValueError, KeyError) as error:
        raise BadDataError(f"has no array “inputs” that can be read: {error}", where=path) from error
    if images.ndim != 4 or images.dtype != np.float32 or len(images) < 2:
        what = f"inputs is {images.dtype} of shape {images.shape}"
        raise BadDataError(what, where=path, fix="give float32 (N, C, H, W), at least two")
    return images


def _sides(source: str, model: onnx.ModelProto) -> tuple[int, int, int]:
    constants = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in constants]
    sides = [side.dim_value for side in inputs[0].type.tensor_type.shape.dim[1:]] if len(inputs) == 1 else []
    if len(sides) != 3 or min(sides) < 1 or sides[0] not in (1, 3, 4):
        raise BadModelError("has no single input of pictures of known size", where=source, fix="export it with one")
    return sides[0], sides[1], sides[2]


def _each(values: tuple[float, ...], channels: int, option: str) -> tuple[float, ...]:
    if len(values) not in (1, channels):
        raise SettingError(f"has {len(values)} numbers", where=option, fix=f"give 1 or {channels}")
    return values * channels if len(values) == 1 else values

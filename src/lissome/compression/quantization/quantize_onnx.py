"""Quantize an ONNX graph of somebody else: integers and their scales are written into the graph itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch

from lissome.compression.quantization.calibrators import Calibrator, MinMax, Range
from lissome.compression.quantization.formats import Int8
from lissome.compression.quantization.graph_places import GraphPlaces, graph_places, is_weighted, layer_name
from lissome.core.errors import BadDataError, BadModelError, SettingError
from lissome.core.outcome import Note
from lissome.core.patterns import check_patterns, matches
from lissome.core.progress import Progress, Silent
from lissome.exporting.graph_proof import serialized
from lissome.graph.graph import Graph
from lissome.graph.model import graph_from_model, model_from_graph
from lissome.graph.node import Node
from lissome.graph.optimize import optimize_model
from lissome.graph.quantized_weights import store_quantized
from lissome.runtimes.plain_onnx import PlainOnnxSession
from lissome.runtimes.protocol import first_line

Images = npt.NDArray[np.float32]

OPSET = 13
"""The first whose DequantizeLinear has a scale for each channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedGraph:
    """A quantized graph and the receipt.

    Args:
        model: The new graph, in QDQ form.
        notes: What was done to each layer, and what was not, with the reason.
        images: How many images calibrated it.
        cosine: Of each output by name: the mean cosine with the float graph's, on the images it was judged on.
        judged_on: How many these were.
    """

    model: onnx.ModelProto
    notes: tuple[Note, ...]
    images: int
    cosine: Mapping[str, float] = field(default_factory=dict)
    judged_on: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the receipt as plain JSON values."""
        return {
            "layers": [one.to_dict() for one in self.notes],
            "calibration_images": self.images,
            "cosine": dict(self.cosine),
            "judged_on_images": self.judged_on,
        }

    def __str__(self) -> str:
        done = sum(one.applied for one in self.notes)
        lines = [f"{done} layers quantized, calibrated on {self.images} images"]
        lines += [f"  {one.layer}: {one.reason}" for one in self.notes if not one.applied]
        lines += [f"  output {name}: cosine {value:.5f} with the float graph" for name, value in self.cosine.items()]
        return "\n".join(lines)


def quantize_onnx(
    source: onnx.ModelProto,
    images: Sequence[Images],
    *,
    weights: Int8 | None = None,
    calibrator: Calibrator | None = None,
    skip: Sequence[str] = (),
    held_out: Sequence[Images] = (),
    progress: Progress | None = None,
) -> QuantizedGraph:
    """Round the weights and activations of an ONNX graph to 8 bits, in QDQ form, as onnxruntime and OpenVINO run it.

    The graph is optimized first, so that batch normalisation is folded. Activations are rounded as `Quantize` does it;
    behind the last layers that multiply, everything stays float.

    Args:
        source: A float graph with one input of images; not changed.
        images: What to calibrate on: arrays (N, C, H, W) as the network takes them.
        weights: Format of the weights. Default int8 with a scale an output channel.
        calibrator: How ranges are chosen. Default least and greatest.
        skip: Patterns of layer names that stay float.
        held_out: Images on which both graphs are compared; () compares nothing.
        progress: Who watches.

    Raises:
        BadModelError: The graph is quantized already, has several inputs, or is of an opset that cannot be raised.
        BadDataError: There are no images.
        SettingError: A pattern names no layer, or no layer can be quantized.
        EngineError: onnxruntime cannot run the graph on these images.

    Source:
        Jacob et al. 2018, arXiv:1712.05877; ONNX operators QuantizeLinear and DequantizeLinear, opset 13.
    """
    if not images:
        raise BadDataError("there are none", where="images", fix="calibrate on at least one")
    if any(one.op_type in ("QuantizeLinear", "QLinearConv", "ConvInteger") for one in source.graph.node):
        raise BadModelError("is quantized already", where=source.graph.name, fix="give the float graph")
    plain = optimize_model(_modern(source)).model
    graph = graph_from_model(plain)
    if len(graph.inputs) != 1:
        raise BadModelError(f"has {len(graph.inputs)} inputs", where=source.graph.name, fix="give a graph with one")
    skipped = _skipped(graph, tuple(skip))
    places = graph_places(graph, skipped)
    if not places.layers:
        raise SettingError("no layer can be quantized", where=source.graph.name, fix="skip fewer of them")
    chosen = calibrator or MinMax()
    seen = _observed(graph, places, images, chosen, progress or Silent())
    notes = _round(graph, places, seen, weights or Int8(per="channel"), chosen)
    notes += [Note(layer_name(node), "stays float: it is skipped", applied=False) for node in skipped]
    model = store_quantized(model_from_graph(graph))
    onnx.checker.check_model(model)
    cosine = _compared(plain, model, held_out) if held_out else {}
    count = sum(len(one) for one in images)
    return QuantizedGraph(
        model=model, notes=tuple(notes), images=count, cosine=cosine, judged_on=sum(map(len, held_out))
    )


def _modern(model: onnx.ModelProto) -> onnx.ModelProto:
    version = max((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), default=0)
    if version >= OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, OPSET)
    except Exception as error:  # the converter raises many kinds
        raise BadModelError(
            f"is of opset {version}, which cannot be raised to {OPSET}: {first_line(error)}",
            where=model.graph.name,
            fix=f"export it for opset {OPSET} or later",
        ) from error


def _skipped(graph: Graph, patterns: Sequence[str]) -> list[Node]:
    layers = [node for node in graph.nodes if is_weighted(graph, node)]
    check_patterns(patterns, [layer_name(node) for node in layers], "quantize_onnx")
    return [node for node in layers if matches(layer_name(node), patterns)]


def _observed(
    graph: Graph, places: GraphPlaces, images: Sequence[Images], calibrator: Calibrator, progress: Progress
) -> dict[str, Range]:
    """Run the images, one by one, and return what each rounded tensor was seen to be."""
    origins = list(dict.fromkeys(places.origins.values()))
    ranges = {name: Range(counting=calibrator.counting) for name in origins}
    (given,) = (one.name for one in graph.inputs)
    watched = model_from_graph(graph)
    made = [name for name in origins if name != given]
    known = {one.name for one in watched.graph.output}
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made if name not in known)
    session = PlainOnnxSession(serialized(watched))
    total = sum(len(one) for one in images)
    for number, image in enumerate(one[place : place + 1] for one in images for place in range(len(one))):
        progress.advance("calibrating", number, total)
        values = dict(zip(session.outputs, session.run({given: image}), strict=True)) | {given: image}
        for name in origins:
            ranges[name].update(torch.from_numpy(np.ascontiguousarray(values[name])))
    return ranges


def _round(
    graph: Graph, places: GraphPlaces, seen: Mapping[str, Range], weights: Int8, calibrator: Calibrator
) -> list[Note]:
    activations = Int8()
    for name, origin in places.origins.items():
        scale, zero = activations.activation_scale(*calibrator.choose(seen[origin], 256))
        constants = _constants(graph, np.array(scale, np.float32), np.array(zero, np.uint8))
        readers = graph.readers(name)
        rounded = _rounded(graph, name, constants)
        for reader in readers:
            for place, read in enumerate(reader.inputs):
                if read == name:
                    graph.set_input(reader, place, rounded)
    notes = []
    for node in places.layers:
        axis = 0 if node.op == "Conv" or node.get("transB", 0) else 1
        weight = graph.constant(node.inputs[1])
        assert weight is not None
        scale_of = weights.weight_scale(torch.tensor(np.moveaxis(weight, axis, 0)))
        steps = scale_of.numpy().astype(np.float32)
        constants = _constants(graph, steps, np.zeros(len(steps), np.int8))
        graph.set_input(node, 1, _rounded(graph, node.inputs[1], constants, axis=axis))
        notes.append(Note(layer_name(node), weights.describe()))
    notes += [
        Note(layer_name(node), "its result stays float, since nothing multiplies it any more", applied=False)
        for node in places.float_results
    ]
    return notes


def _constants(graph: Graph, scale: npt.NDArray[Any], zero: npt.NDArray[Any]) -> tuple[str, str]:
    return graph.add_constant(scale, "scale"), graph.add_constant(zero, "zero")


def _rounded(graph: Graph, name: str, constants: tuple[str, str], axis: int = 1) -> str:
    """Put a quantizer behind a tensor and return the name of what comes out."""
    integers = graph.make("QuantizeLinear", (name, *constants), axis=axis)
    return graph.make("DequantizeLinear", (integers.output, *constants), axis=axis).output


def _compared(plain: onnx.ModelProto, model: onnx.ModelProto, images: Sequence[Images]) -> dict[str, float]:
    """Return the mean cosine of each output of two graphs, both computed as they are written."""
    sessions = [PlainOnnxSession(serialized(one)) for one in (plain, model)]
    (given,) = (one[0] for one in sessions[0].inputs)
    sums = np.zeros(len(sessions[0].outputs))
    count = 0
    for image in (one[place : place + 1] for one in images for place in range(len(one))):
        count += 1
        pairs = zip(*(session.run({given: image}) for session in sessions), strict=True)
        for place, (one, other) in enumerate(pairs):
            a, b = one.astype(np.float64).ravel(), other.astype(np.float64).ravel()
            sums[place] += float(a @ b) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-30)
    return dict(zip(sessions[0].outputs, (sums / count).tolist(), strict=True))

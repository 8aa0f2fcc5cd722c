"""OpenVINO on the CPU. Its own default on a new CPU is bfloat16; here the precision is what was asked for."""

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lissome.core.errors import ConversionError, EngineError, SettingError
from lissome.runtimes.protocol import (
    Array,
    Option,
    ReadsOnnx,
    Session,
    SessionDescription,
    SessionSettings,
    first_line,
)

_HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}  # integer layers follow the graph, the rest this
_NAMES = {"f32": "float32", "float": "float32", "float32": "float32", "bf16": "bfloat16", "bfloat16": "bfloat16"}
_INTEGERS = ("i8", "u8")
_MULTIPLYING = ("Convolution", "GroupConvolution", "Deconvolution", "MatMul", "FullyConnected")
_DEQUANTIZING = ("Convert", "Subtract", "Multiply", "Reshape", "Transpose", "Squeeze", "Unsqueeze")


class OpenVino(ReadsOnnx):
    """Adapter of OpenVINO, for its CPU plug-in."""

    name: ClassVar[str] = "openvino"
    package: ClassVar[str] = "openvino"
    module: ClassVar[str] = "openvino"
    files: ClassVar[tuple[str, ...]] = ("openvino/model.xml", "openvino/model.bin")
    precisions: ClassVar[tuple[str, ...]] = ("float32", "bfloat16", "int8")
    options: ClassVar[Mapping[str, tuple[Option, ...]]] = {"shapes": ("static", "dynamic")}

    def convert(self, graph: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
        """Write the graph as OpenVINO's own files, weights in float32."""
        self.require()
        engine = self._engine()
        target = Path(folder, self.files[0])
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            model = engine.Core().read_model(os.fspath(graph))
            engine.save_model(model, str(target), compress_to_fp16=False)
        except Exception as error:  # the engine raises its own kinds
            raise ConversionError(f"cannot read the graph: {_reason(error)}", where=self.name) from error

    def offers(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return int8 for a quantized graph; else float32, and bfloat16 on a CPU that has it."""
        text = Path(folder, self.files[0]).read_text(encoding="utf-8", errors="replace")
        if 'type="FakeQuantize"' in text or 'element_type="i8"' in text or 'element_type="u8"' in text:
            return ("int8",)
        able = self._engine().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return ("float32", "bfloat16") if "BF16" in able else ("float32",)

    def float_layers(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return the promised layers that OpenVINO's own execution graph has in float."""
        core = self._engine().Core()
        model = core.read_model(os.fspath(Path(folder, self.files[0])))
        promised = _promised(model)
        if not promised:
            return ()
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
        left: set[str] = set()
        for node in compiled.get_runtime_model().get_ordered_ops():
            facts = node.get_rt_info()
            names = promised & set(_fact(facts, "originalLayersNames").split(","))
            if _fact(facts, "layerType") in _MULTIPLYING and _fact(facts, "runtimePrecision") not in _INTEGERS:
                left |= names
        return tuple(sorted(left))

    def _engine(self) -> Any:
        with _without_telemetry():
            return super()._engine()

    def _open(self, folder: Path, settings: SessionSettings) -> Session:
        core = self._engine().Core()
        model = core.read_model(str(folder / self.files[0]))
        fixed = settings.options["shapes"] == "static" and _only_the_batch_is_free(model)
        if fixed:
            model.reshape({one: [1, *list(one.partial_shape)[1:]] for one in model.inputs})
        plan = {
            "INFERENCE_PRECISION_HINT": _HINTS[settings.precision],
            "INFERENCE_NUM_THREADS": settings.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        single = all(str(one.partial_shape[0]) == "1" for one in model.inputs)
        compiled = core.compile_model(model, "CPU", plan)
        kept = compiled.get_property("INFERENCE_NUM_THREADS")
        if kept != settings.threads:
            raise SettingError(f"takes {kept} threads, not {settings.threads}", where=self.name)
        hint = _NAMES.get(str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string()), "unknown")
        precision = "int8" if settings.precision == "int8" else hint
        return _OpenVinoSession(compiled, self._describe(settings, precision), single=single)


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Let OpenVINO find no telemetry package while it is imported: its import alone reports usage to its makers."""
    package = "openvino_telemetry"
    if package in sys.modules or "openvino" in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # documented: makes the import fail
    try:
        yield
    finally:
        del sys.modules[package]


def _promised(model: Any) -> set[str]:
    """Return the names of the layers whose input and weight are both integers made float again."""
    layers = [one for one in model.get_ordered_ops() if one.get_type_name() in _MULTIPLYING]
    return {one.get_friendly_name() for one in layers if all(_from_integers(one.input_value(n)) for n in (0, 1))}


def _from_integers(value: Any) -> bool:
    """Tell whether a value is 8-bit integers that were shifted, scaled or reshaped, and nothing else."""
    while value.get_element_type().to_string() not in ("i8", "u8", "int8_t", "uint8_t"):
        node = value.get_node()
        if node.get_type_name() not in _DEQUANTIZING:
            return False
        value = node.input_value(0)
    return True


def _fact(facts: Any, name: str) -> str:
    return str(facts[name].astype(str)) if name in facts else ""


def _only_the_batch_is_free(model: Any) -> bool:
    shapes = [list(one.partial_shape) for one in model.inputs]
    return all(shape and shape[0].is_dynamic and all(side.is_static for side in shape[1:]) for shape in shapes)


class _OpenVinoSession:
    def __init__(self, compiled: Any, description: SessionDescription, *, single: bool) -> None:
        self._request, self._description, self._single = compiled.create_infer_request(), description, single
        self._shapes = [one.partial_shape for one in compiled.inputs]
        self._outputs = len(compiled.outputs)
        self._turn = threading.Lock()

    def run(self, *images: Array) -> tuple[Array, ...]:
        if len(images) != len(self._shapes):
            raise EngineError(f"openvino was given {len(images)} inputs, the network has {len(self._shapes)}")
        if not self._single:
            return self._infer(images)
        singles = [self._infer(tuple(one[place : place + 1] for one in images)) for place in range(len(images[0]))]
        return tuple(np.concatenate(output) for output in zip(*singles, strict=True))

    def _infer(self, images: tuple[Array, ...]) -> tuple[Array, ...]:
        for image, shape in zip(images, self._shapes, strict=True):
            # With a free batch the engine reads past the end of memory instead of refusing.
            if not _fits(image.shape, shape):
                raise EngineError(f"openvino cannot run this input: it is {image.shape}, the network takes {shape}")
        try:
            with self._turn:
                found = self._request.infer([np.ascontiguousarray(one) for one in images])
                return tuple(np.array(found[place], dtype=np.float32) for place in range(self._outputs))
        except Exception as error:  # the engine raises its own kinds
            raise EngineError(f"openvino cannot run this input: {_reason(error)}") from error

    def describe(self) -> SessionDescription:
        return self._description


def _fits(shape: tuple[int, ...], allowed: Any) -> bool:
    sides = list(allowed)
    if len(sides) != len(shape):
        return False
    return all(one.is_dynamic or one.get_length() == side for one, side in zip(sides, shape, strict=True))


def _reason(error: Exception) -> str:
    """Return what is wrong: OpenVINO's messages begin with lines that say where in its own source they come from."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "src/" not in line and not line.startswith("Exception from")]
    return telling[0][:300] if telling else first_line(error)

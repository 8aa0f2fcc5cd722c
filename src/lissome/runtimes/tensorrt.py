"""TensorRT on an NVIDIA GPU. The plan is built when the graph is loaded: it fits one GPU and one version only."""

import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lissome.core.errors import EngineError, EngineMissingError, SettingError
from lissome.runtimes.onnxruntime import onnx_precision
from lissome.runtimes.protocol import Array, Option, ReadsOnnx, Session, SessionDescription, SessionSettings

MOST_BATCH = 16
"""A larger batch is run in parts."""

_WORKSPACE_BYTES = 1 << 30
_DRIVER = Path("/proc/driver/nvidia/version")
_FLAGS = {"float16": "FP16", "bfloat16": "BF16", "int8": "INT8"}


class TensorRt(ReadsOnnx):
    """Adapter of TensorRT. Threads are the GPU's own business, so only 1 can be asked for."""

    name: ClassVar[str] = "tensorrt"
    package: ClassVar[str] = "tensorrt"
    module: ClassVar[str] = "tensorrt"
    files: ClassVar[tuple[str, ...]] = ("tensorrt/graph.onnx",)
    precisions: ClassVar[tuple[str, ...]] = ("float32", "float16", "bfloat16", "int8")
    options: ClassVar[Mapping[str, tuple[Option, ...]]] = {"effort": ("3", "0", "5")}

    @property
    def install(self) -> str:
        """The line that installs it, and what else it needs."""
        return "pip install tensorrt (and an NVIDIA GPU, and PyTorch's CUDA build)"

    def available(self) -> bool:
        """Tell whether the package and an NVIDIA driver are there, without loading anything."""
        return super().available() and _DRIVER.is_file()

    def require(self) -> None:
        """Refuse if the package or the GPU is missing; says which."""
        if super().available() and not _DRIVER.is_file():
            raise EngineMissingError("tensorrt finds no NVIDIA GPU", fix="run this on a machine that has one")
        super().require()

    def convert(self, graph: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
        """Keep the graph: its plan is built where it runs."""
        target = Path(folder, self.files[0])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(graph, target)

    def offers(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return int8 for a quantized graph, else float32, float16 and bfloat16."""
        if onnx_precision(Path(folder, self.files[0])) == "int8":
            return ("int8",)
        flags = self._engine().BuilderFlag
        return ("float32", *(one for one in ("float16", "bfloat16") if hasattr(flags, _FLAGS[one])))

    def _open(self, folder: Path, settings: SessionSettings) -> Session:
        if settings.threads != 1:
            raise SettingError(f"threads is {settings.threads}", where=self.name, fix="a GPU takes 1")
        import torch  # here, lest asking for the adapter load it

        if not torch.cuda.is_available():
            raise EngineMissingError("tensorrt needs PyTorch's CUDA build", fix="pip install torch with CUDA")
        engine = self._engine()
        logger = engine.Logger(engine.Logger.ERROR)
        plan = build_plan(engine, logger, (folder / self.files[0]).read_bytes(), settings)
        loaded = engine.Runtime(logger).deserialize_cuda_engine(plan)
        if loaded is None:
            raise EngineError("tensorrt cannot load the plan that it built")
        return _TensorRtSession(engine, loaded, self._describe(settings))


def build_plan(engine: Any, logger: Any, graph: bytes, settings: SessionSettings) -> Any:
    """Return the serialized plan of an ONNX graph.

    Args:
        engine: The tensorrt module.
        logger: Its logger.
        graph: Bytes of the .onnx file.
        settings: Precision and options.

    Raises:
        EngineError: An operator is not supported; carries the parser's words.
        SettingError: This TensorRT cannot be asked for the precision.
    """
    builder = engine.Builder(logger)
    network = builder.create_network(0)
    parser = engine.OnnxParser(network, logger)
    if not parser.parse(graph):
        words = "; ".join(str(parser.get_error(place)) for place in range(parser.num_errors))
        raise EngineError(f"tensorrt cannot read the graph: {words[:300]}", fix="choose another runtime")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(engine.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    config.builder_optimization_level = int(settings.options["effort"])
    _set_precision(engine, config, settings.precision)
    profile = builder.create_optimization_profile()
    for place in range(network.num_inputs):
        tensor = network.get_input(place)
        sides = tuple(tensor.shape)[1:]
        if -1 in sides:
            raise EngineError(
                f"tensorrt needs fixed rows and columns, {tensor.name} has {tuple(tensor.shape)}",
                fix="export without another size",
            )
        profile.set_shape(tensor.name, (1, *sides), (1, *sides), (MOST_BATCH, *sides))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError("tensorrt found no kernels for the network", fix="choose another runtime")
    return plan


def _set_precision(engine: Any, config: Any, precision: str) -> None:
    flags = engine.BuilderFlag
    # By default float32 is computed in TF32, which has 10 bits of mantissa; here the precision is what was asked for.
    if hasattr(flags, "TF32"):
        config.clear_flag(flags.TF32)
    name = _FLAGS.get(precision)
    if name and hasattr(flags, name):
        config.set_flag(getattr(flags, name))
    elif precision in ("float16", "bfloat16"):  # integers follow the graph, with or without a flag
        raise SettingError(
            f"TensorRT {engine.__version__} takes precision from the graph alone",
            where="tensorrt",
            fix="choose float32, or install tensorrt<11",
        )


class _TensorRtSession:
    def __init__(self, engine: Any, loaded: Any, description: SessionDescription) -> None:
        import torch

        self._torch: Any = torch
        self._engine, self._context, self._description = loaded, loaded.create_execution_context(), description
        names = [loaded.get_tensor_name(place) for place in range(loaded.num_io_tensors)]
        inputs = engine.TensorIOMode.INPUT
        self._inputs = [name for name in names if loaded.get_tensor_mode(name) == inputs]
        self._outputs = [name for name in names if name not in self._inputs]
        self._stream, self._turn = self._torch.cuda.Stream(), threading.Lock()

    def run(self, *images: Array) -> tuple[Array, ...]:
        if len(images) != len(self._inputs):
            raise EngineError(f"tensorrt was given {len(images)} inputs, the network has {len(self._inputs)}")
        starts = range(0, len(images[0]), MOST_BATCH)
        with self._turn:
            parts = [self._run_part([one[start : start + MOST_BATCH] for one in images]) for start in starts]
        return tuple(np.concatenate(output) for output in zip(*parts, strict=True))

    def _run_part(self, images: list[Array]) -> list[Array]:
        held = []  # tensors must live until the GPU has read them
        for name, image in zip(self._inputs, images, strict=True):
            tensor = self._torch.from_numpy(np.ascontiguousarray(image)).cuda()
            if not self._context.set_input_shape(name, tuple(tensor.shape)):
                raise EngineError(f"tensorrt cannot run this input: {name} of {tuple(tensor.shape)}")
            self._context.set_tensor_address(name, tensor.data_ptr())
            held.append(tensor)
        outputs = []
        for name in self._outputs:
            tensor = self._torch.empty(tuple(self._context.get_tensor_shape(name)), device="cuda")
            self._context.set_tensor_address(name, tensor.data_ptr())
            outputs.append(tensor)
        self._torch.cuda.current_stream().synchronize()
        if not self._context.execute_async_v3(self._stream.cuda_stream):
            raise EngineError("tensorrt stops while running the network")
        self._stream.synchronize()
        return [one.cpu().numpy() for one in outputs]

    def describe(self) -> SessionDescription:
        return self._description

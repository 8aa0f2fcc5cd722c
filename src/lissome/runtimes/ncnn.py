"""ncnn on the CPU, in float32 unless asked for less, or int8. Its batch is 1, so a batch is run image by image."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lissome.core.errors import EngineError
from lissome.runtimes.one_by_one import OneByOne
from lissome.runtimes.protocol import Array, Option, Runtime, Session, SessionDescription, SessionSettings

_HALVES = {
    "float16": ("fp16_packed", "fp16_storage", "fp16_arithmetic"),
    "bfloat16": ("bf16_packed", "bf16_storage"),
}
_INT8 = re.compile(r"^(?:Convolution|ConvolutionDepthWise|InnerProduct)\s.*\s8=[1-9]", re.MULTILINE)
"""A layer with int8 weights in a .param file."""

_KERNELS = {
    "winograd": ("winograd_convolution", "winograd23_convolution", "winograd43_convolution", "winograd63_convolution"),
    "sgemm": ("sgemm_convolution",),
    "packing": ("packing_layout",),
}


class Ncnn(Runtime):
    """Adapter of ncnn."""

    name: ClassVar[str] = "ncnn"
    package: ClassVar[str] = "ncnn"
    module: ClassVar[str] = "ncnn"
    files: ClassVar[tuple[str, ...]] = ("ncnn/model.param", "ncnn/model.bin")
    precisions: ClassVar[tuple[str, ...]] = ("float32", "float16", "bfloat16", "int8")
    options: ClassVar[Mapping[str, tuple[Option, ...]]] = dict.fromkeys(_KERNELS, (True, False))
    worth_trying: ClassVar[tuple[Mapping[str, Option], ...]] = ({}, {"winograd": False}, {"sgemm": False})
    exact: ClassVar[Mapping[str, Option]] = {"winograd": False}

    @property
    def install(self) -> str:
        """The line that installs the engine and what converts for it."""
        return "pip install ncnn pnnx"

    def unsupported(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return the kinds of layer in the .param file that this ncnn does not have."""
        lines = Path(folder, self.files[0]).read_text(encoding="utf-8", errors="replace").splitlines()
        kinds = {words[0] for words in map(str.split, lines[2:]) if len(words) >= 2}  # after magic and counts
        engine = self._engine()
        return tuple(sorted(kind for kind in kinds if engine.layer_to_index(kind) < 0))

    def offers(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return int8 for files with int8 weights; else float32, bfloat16, and float16 on an ARM CPU that has it.

        Other CPUs would store a few weights in float16, and compute as before.
        """
        if _INT8.search(Path(folder, self.files[0]).read_text(encoding="utf-8", errors="replace")):
            return ("int8",)
        half = getattr(self._engine(), "cpu_support_arm_asimdhp", lambda: 0)()
        return ("float32", "float16", "bfloat16") if half else ("float32", "bfloat16")

    def _open(self, folder: Path, settings: SessionSettings) -> Session:
        net = load_net(self._engine(), folder, settings)
        return _NcnnSession(self._engine(), net, self._describe(settings))


def load_net(engine: Any, folder: Path, settings: SessionSettings) -> Any:
    """Return the engine's own network, set as asked.

    Args:
        engine: The module ncnn.
        folder: Where the files of `Ncnn.files` lie.
        settings: Threads, precision and options.

    Raises:
        EngineError: It cannot read the files.
    """
    net = engine.Net()
    net.opt.num_threads = settings.threads
    net.opt.use_vulkan_compute = False
    net.opt.use_int8_inference = settings.precision == "int8"
    # By default ncnn rounds to 16 bits wherever the CPU can; here the precision is what was asked for.
    for precision, switches in _HALVES.items():
        _switch(net.opt, switches, on=precision == settings.precision)
    for name, switches in _KERNELS.items():
        _switch(net.opt, switches, on=bool(settings.options[name]))
    param, weights = (str(folder / name) for name in Ncnn.files)
    if net.load_param(param) != 0 or net.load_model(weights) != 0:
        raise EngineError("ncnn cannot read its .param or .bin file", fix="export it again")
    return net


def _switch(option: Any, names: tuple[str, ...], *, on: bool) -> None:
    for name in names:
        if hasattr(option, f"use_{name}"):  # older releases lack some
            setattr(option, f"use_{name}", on)


class _NcnnSession(OneByOne):
    def __init__(self, engine: Any, net: Any, description: SessionDescription) -> None:
        super().__init__(len(net.input_names()), description)
        self._engine, self._net = engine, net
        self._inputs, self._outputs = net.input_names(), net.output_names()

    def _run_one(self, planes: tuple[Array, ...]) -> list[Array]:
        extractor = self._net.create_extractor()
        for name, plane in zip(self._inputs, planes, strict=True):
            # A Mat made of an array neither keeps it alive (so it has a name here until it is copied) nor counts its
            # owners (so a first layer that works in place would crash the process: hence the copy).
            array = np.ascontiguousarray(plane, dtype=np.float32)
            extractor.input(name, self._engine.Mat(array).clone())
        outputs = []
        for name in self._outputs:
            status, mat = extractor.extract(name)
            if status != 0:
                raise EngineError(f"ncnn stops at output {name} with status {status}")
            outputs.append(np.array(mat, dtype=np.float32))  # a copy: the memory goes with the extractor
        return outputs

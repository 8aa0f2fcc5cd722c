"""ncnn on the CPU in float32. Its batch is 1, so a batch is run image by image."""

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lissome.core.errors import EngineError
from lissome.runtimes.protocol import Array, Runtime, Session, SessionDescription


class Ncnn(Runtime):
    """Adapter of ncnn."""

    name: ClassVar[str] = "ncnn"
    package: ClassVar[str] = "ncnn"
    module: ClassVar[str] = "ncnn"
    files: ClassVar[tuple[str, ...]] = ("ncnn/model.param", "ncnn/model.bin")

    def unsupported(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return the kinds of layer in the .param file that this ncnn does not have."""
        lines = Path(folder, self.files[0]).read_text(encoding="utf-8", errors="replace").splitlines()
        kinds = {words[0] for words in map(str.split, lines[2:]) if len(words) >= 2}  # after magic and counts
        engine = self._engine()
        return tuple(sorted(kind for kind in kinds if engine.layer_to_index(kind) < 0))

    def _open(self, folder: Path, threads: int) -> Session:
        net = self._engine().Net()
        net.opt.num_threads = threads
        net.opt.use_vulkan_compute = False
        # By default ncnn rounds to 16 bits wherever the CPU can; here the precision is what was asked for.
        for setting in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "bf16_packed"):
            if hasattr(net.opt, f"use_{setting}"):  # older releases lack some
                setattr(net.opt, f"use_{setting}", False)
        param, weights = (str(folder / name) for name in self.files)
        if net.load_param(param) != 0 or net.load_model(weights) != 0:
            raise EngineError("ncnn cannot read its .param or .bin file", fix="export it again")
        description = SessionDescription(self.name, self.version(), "float32", threads)
        return _NcnnSession(self._engine(), net, description)


class _NcnnSession:
    def __init__(self, engine: Any, net: Any, description: SessionDescription) -> None:
        self._engine, self._net, self._description = engine, net, description
        self._inputs, self._outputs = net.input_names(), net.output_names()

    def run(self, *images: Array) -> tuple[Array, ...]:
        if len(images) != len(self._inputs):
            raise EngineError(f"ncnn was given {len(images)} inputs, the network has {len(self._inputs)}")
        singles = [self._run_one(one) for one in zip(*images, strict=True)]
        return tuple(np.stack(output) for output in zip(*singles, strict=True))

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

    def describe(self) -> SessionDescription:
        return self._description

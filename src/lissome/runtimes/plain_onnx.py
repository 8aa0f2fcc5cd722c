"""ONNX Runtime with its own rewrites switched off: the graph is computed node by node, as it is written."""

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from lissome.core.errors import EngineError
from lissome.runtimes.protocol import first_line

Arrays = tuple[npt.NDArray[Any], ...]


class PlainOnnxSession:
    """A graph that runs as it is written.

    Args:
        model: The bytes of an ONNX file.

    Raises:
        EngineError: ONNX Runtime refuses the graph.
    """

    def __init__(self, model: bytes) -> None:
        engine = importlib.import_module("onnxruntime")
        options = engine.SessionOptions()
        options.intra_op_num_threads = 1
        options.graph_optimization_level = engine.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4  # what fails is raised; the library never prints
        try:
            self._session = engine.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the engine raises its own kinds
            raise EngineError(f"onnxruntime refuses the graph: {first_line(error)}") from error
        self.inputs: tuple[tuple[str, str, tuple[int | str | None, ...]], ...] = tuple(
            (one.name, one.type, tuple(one.shape)) for one in self._session.get_inputs()
        )
        self.outputs: tuple[str, ...] = tuple(one.name for one in self._session.get_outputs())

    def run(self, inputs: dict[str, npt.NDArray[Any]]) -> Arrays:
        """Return the outputs, in their order.

        Raises:
            EngineError: It cannot run these inputs.
        """
        try:
            return tuple(np.asarray(one) for one in self._session.run(None, inputs))
        except Exception as error:  # the engine raises its own kinds
            raise EngineError(f"onnxruntime cannot run the graph: {first_line(error)}") from error

"""The verb `optimize`: rewrite an ONNX graph, prove each rewrite by running it, say what was done and what was not."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx

from lissome.core.errors import EngineError
from lissome.core.files import replacing
from lissome.exporting.examine_onnx import examine, read_onnx
from lissome.exporting.graph_proof import GraphParity, GraphProof, serialized
from lissome.graph.engine_facts import facts_of
from lissome.graph.optimize import Optimized, optimize_model


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizeOutcome:
    """An optimized graph and the receipt.

    Args:
        optimized: The new model, operator counts, and what each pass did and declined.
        parity: Comparison of the new model with the original; None if nothing was changed.
        engine: The engine it was optimized for; None for any.
        source: Where it came from, for messages.
        measured: Times of both on engines, where that was asked for.
    """

    optimized: Optimized
    parity: GraphParity | None
    engine: str | None
    source: str
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> onnx.ModelProto:
        """The new model."""
        return self.optimized.model

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the new model, whole or not at all, and return the path."""
        data = serialized(self.model)
        with replacing(path) as temporary:
            temporary.write_bytes(data)
        return Path(path)

    def explain(self) -> str:
        """Return every rewrite and every refusal with its reason."""
        return self.optimized.explain()

    def to_dict(self) -> dict[str, Any]:
        """Return the receipt as plain JSON values."""
        return {
            "source": self.source,
            "engine": self.engine,
            **self.optimized.to_dict(),
            "parity": self.parity.to_dict() if self.parity else None,
            "measured": dict(self.measured),
        }

    def __str__(self) -> str:
        proof = str(self.parity) if self.parity else "nothing was changed"
        return f"{self.optimized}\n\n{proof}"


def optimize(
    source: str | os.PathLike[str] | onnx.ModelProto,
    *,
    passes: Iterable[str] | None = None,
    engine: str | None = None,
    inputs: Mapping[str, npt.NDArray[Any]] | None = None,
    seed: int = 0,
) -> OptimizeOutcome:
    """Make an ONNX graph smaller and quicker without changing what it computes.

    The result is executed, node by node, and compared with the original. If it computes something else, all is done
    anew with a comparison after each pass, and the pass that changes a result is taken back. A file is first opened in
    a process of its own, so that one which crashes or hangs whoever loads it is an error and nothing worse; a model
    that is already in memory is taken as it is.

    Args:
        source: An .onnx file, or a model in memory, which is not changed.
        passes: Names of `graph.table.PASSES`, which None takes all, or of `ON_REQUEST`.
        engine: The engine that will run it, "onnxruntime" or "openvino": some passes pay on one only. None takes
            those that pay everywhere.
        inputs: Real inputs by name, for the comparison; None takes seeded noise.
        seed: Seed of the noise.

    Raises:
        BadModelError: The file is no valid graph, or does not run.
        UnknownNameError: There is no such pass or engine.

    Example:
        >>> from onnx import helper
        >>> x, y = (helper.make_tensor_value_info(name, 1, [2]) for name in "xy")
        >>> nodes = [helper.make_node("Identity", ["x"], ["i"]), helper.make_node("Relu", ["i"], ["y"])]
        >>> graph = helper.make_graph(nodes, "g", [x], [y])
        >>> model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        >>> outcome = optimize(model)
        >>> dict(outcome.optimized.after), outcome.parity.max_rel
        ({'Relu': 1}, 0.0)
    """
    facts_of(engine)
    if isinstance(source, onnx.ModelProto):
        model, name = source, "the model"
    else:
        name = os.fspath(source)
        examine(name)
        model = read_onnx(name)
    proofs: list[GraphProof] = []
    accepted: list[GraphParity] = []

    def judge(changed: onnx.ModelProto) -> str | None:
        if not proofs:  # who changes nothing need not wait for it
            proofs.append(GraphProof(model, inputs, seed=seed))
        try:
            parity = proofs[0].compare(changed)
        except EngineError as error:
            return str(error)
        if parity.failure is None:
            accepted.append(parity)
        return parity.failure

    optimized = optimize_model(model, passes=passes, engine=engine, judge=judge)
    return OptimizeOutcome(optimized=optimized, parity=accepted[-1] if accepted else None, engine=engine, source=name)

"""Prove a rewritten ONNX graph by executing it: same inputs, same outputs, each node computed as it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from lissome.core.errors import BadModelError, EngineError, ShapeError
from lissome.runtimes.plain_onnx import PlainOnnxSession

Arrays = Mapping[str, npt.NDArray[Any]]

LIMIT = 1e-4
"""Largest difference over the largest absolute value of the output. Another order of summing gives 1e-7 … 1e-5."""

_FREE_BATCH, _FREE_SIDE = 2, 64
_MOST_ELEMENTS = 1 << 26
_TYPES: Mapping[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphParity:
    """How far the outputs of two graphs are apart.

    Args:
        outputs: Largest difference over the largest absolute value, by output.
        origin: What they were run on, in words.
        limit: What was demanded.
    """

    outputs: Mapping[str, float]
    origin: str
    limit: float = LIMIT

    @property
    def max_rel(self) -> float:
        """The largest of all outputs."""
        return max(self.outputs.values(), default=0.0)

    @property
    def failure(self) -> str | None:
        """What is beyond the limit, or None."""
        for name, value in self.outputs.items():
            if not value <= self.limit:
                return f"output {name} differs by {value:.1e} of its largest value, more than {self.limit:g}"
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        outputs = {name: value if np.isfinite(value) else None for name, value in self.outputs.items()}
        passed = self.failure is None
        return {"passed": passed, "origin": self.origin, "limit": self.limit, "max_rel": outputs}

    def __str__(self) -> str:
        return f"outputs differ by {self.max_rel:.1e} of their largest value at most, on {self.origin}"


class GraphProof:
    """The original's outputs, to which others are compared.

    Args:
        model: The original.
        inputs: Real inputs by name; None makes seeded noise of the declared shapes.
        seed: Seed of the noise.

    Raises:
        BadModelError: The original does not load or does not run.
    """

    def __init__(self, model: onnx.ModelProto, inputs: Arrays | None = None, *, seed: int = 0) -> None:
        try:
            session = PlainOnnxSession(serialized(model))
            self._inputs = dict(inputs) if inputs is not None else noise_for(session.inputs, seed)
            self._origin = "seeded noise" if inputs is None else "the inputs given"
            self._names, self._session = session.outputs, session
            self._expected = session.run(self._inputs)
        except EngineError as error:
            raise BadModelError(f"the graph does not run: {error}", fix="repair or export it again") from error

    def compare(self, model: onnx.ModelProto) -> GraphParity:
        """Run another graph on the same inputs.

        Raises:
            BadModelError: It gives other outputs, and so does the original each time.
            EngineError: It does not load or run.
        """
        parity = self._compared(PlainOnnxSession(serialized(model)).run(self._inputs))
        # One that draws random numbers differs from itself as well; nothing can be proved of it.
        if parity.failure is not None and self._compared(self._session.run(self._inputs)).max_rel > 0:
            raise BadModelError("the graph gives other outputs each time", fix="export it without random operators")
        return parity

    def _compared(self, outputs: Sequence[npt.NDArray[Any]]) -> GraphParity:
        pairs = zip(self._names, self._expected, outputs, strict=True)
        return GraphParity(outputs={name: difference(a, b) for name, a, b in pairs}, origin=self._origin)


def serialized(model: onnx.ModelProto) -> bytes:
    """Return a model as bytes.

    Raises:
        BadModelError: It is too large for one message, or holds what cannot be written.
    """
    try:
        return bytes(model.SerializeToString())
    except Exception as error:  # protobuf raises its own kinds
        raise BadModelError(f"cannot be written: {error}", fix="keep models below 2 GB") from error


def noise_for(
    declared: Sequence[tuple[str, str, tuple[int | str | None, ...]]], seed: int
) -> dict[str, npt.NDArray[Any]]:
    """Return seeded noise of the declared shapes; a free batch is 2, another free side 64.

    Raises:
        ShapeError: An input is of a type that noise cannot be made of, or far too large.

    Example:
        >>> noise_for([("x", "tensor(float)", ("batch", 3))], 0)["x"].shape
        (2, 3)
    """
    generator = np.random.default_rng(seed)
    made = {}
    for name, type, shape in declared:
        sides = [
            side if isinstance(side, int) and side >= 0 else (_FREE_BATCH if place == 0 else _FREE_SIDE)
            for place, side in enumerate(shape)
        ]
        if type not in _TYPES:
            raise ShapeError(f"is a {type}", where=f"input {name}", fix="give inputs")
        if np.prod(sides, dtype=object) > _MOST_ELEMENTS:
            raise ShapeError(f"is of shape {sides}", where=f"input {name}", fix="give inputs")
        values = (
            generator.standard_normal(sides) if "float" in type or "double" in type else generator.integers(0, 2, sides)
        )
        made[name] = np.asarray(values, dtype=_TYPES[type])
    return made


def difference(expected: npt.NDArray[Any], actual: npt.NDArray[Any]) -> float:
    """Return the largest difference over the largest absolute value; infinity where they cannot be compared.

    Example:
        >>> difference(np.array([2.0, 1.0]), np.array([2.0, 1.5]))
        0.25
    """
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return float("inf")
    if expected.dtype.kind not in "fiub":
        return 0.0 if np.array_equal(expected, actual) else float("inf")
    one, other = expected.astype(np.float64), actual.astype(np.float64)
    finite = np.isfinite(one)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True) or not np.isfinite(other[finite]).all():
        return float("inf")
    largest = float(np.abs(one[finite]).max(initial=0.0))
    worst = float(np.abs(one[finite] - other[finite]).max(initial=0.0))
    return worst / largest if largest > 0 else worst

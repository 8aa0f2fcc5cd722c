"""Does an engine compute what the source network computes? Compared output by output on real samples.

Float files must agree in every number: an engine's own order of summing gives 1e-6 … 1e-4 of the largest value, a wrong
weight or layout gives 1e-2 and more, so the limit lies between. Integer files cannot: the engine multiplies integers
and rounds once where the rounding source network rounds in float, so a value at the edge of a step falls one step to
the other side, and the layers behind it carry that on. What must hold there is the direction of each output vector
(cosine) and the decision (top-1), unless the source itself was undecided by less than the same rounding.

The limits lie between what was seen of both: int8 in onnxruntime against the rounding source gave, as the worst of 400
CIFAR-10 images, cosine 0.9985 (ResNet-20), 0.9977 (ResNet-56), 0.9964 (MobileNetV2 untrained) and at most 0.10 of the
largest value; one filter with the wrong sign in ResNet-20 gives 0.9897 and less, a lost bias 0.86 and less.

A detector's raw numbers at many places wander further than any one limit could allow for all networks; nobody decides
by a single one of them. There the network itself says how much: its rounding source is as far from the float network as
rounding alone carries it, and the engine, which rounds elsewhere, is as far again. Two independent errors of one size
are √2 of it apart, so that 1 - cosine doubles at most, and twice is allowed. Seen with FastestDet as published and with
three detectors as they are built, on onnxruntime, OpenVINO and ncnn: 1 - cosine of engine and rounding source was 0.29
… 0.92 of what it was of rounding source and float network, the largest difference 0.50 … 1.10 of it. For the published
FastestDet that allows a cosine of 0.936 on onnxruntime, which gave 0.974; one filter of its backbone with the wrong
sign gave 0.91 and less, a lost bias 0.54 and less; one filter of the last shared layer is not seen, 0.99. Where
rounding alone ruins a network, as it did three untrained ones (cosines 0.70 … 0.73), an engine can hardly be told from
a wrong one: count the average precision on the engine, which decides.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lissome.core.errors import ParityError
from lissome.core.text_table import render

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a converted network may differ by.

    Args:
        max_rel: Largest difference over the largest absolute value of the reference.
        cosine: Least cosine of any one sample's output.
        agreement: Least share of samples with the same decision; a sample whose reference scores of the two decisions
            lie within `tie` of each other counts as the same.
        tie: Scores closer than this share of the largest absolute score are undecided.
    """

    max_rel: float
    cosine: float
    agreement: float
    tie: float


FLOAT = Limits(max_rel=1e-3, cosine=0.9999, agreement=1.0, tie=2e-3)
INTEGER = Limits(max_rel=0.25, cosine=0.99, agreement=0.9, tie=0.05)
ROUNDED = Limits(max_rel=0.05, cosine=0.999, agreement=1.0, tie=0.02)
"""For float networks that an engine computes in 16 bits: bfloat16 gave 4e-3 … 6e-3 on ResNets."""


def limits_for(precision: str) -> Limits:
    """Return what a network may differ by that an engine computes in a precision.

    Example:
        >>> limits_for("float32").max_rel, limits_for("int8").max_rel, limits_for("float16").max_rel
        (0.001, 0.25, 0.05)
    """
    return {"float32": FLOAT, "int8": INTEGER}.get(precision, ROUNDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputParity:
    """How one output differs from the reference.

    Args:
        output: Its name.
        shape: Shape for one sample.
        max_abs: Largest absolute difference.
        max_rel: The same over the largest absolute value of the reference.
        cosine: Least cosine of any one sample.
        top1_agreement: Share of samples with the same largest entry; None where the output is no row of scores.
        decided_agreement: The same, samples that the reference leaves undecided counted as agreeing.
    """

    output: str
    shape: tuple[int, ...]
    max_abs: float
    max_rel: float
    cosine: float
    top1_agreement: float | None
    decided_agreement: float | None

    def failure(self, limits: Limits) -> str | None:
        """Return what is beyond the limits, or None."""
        if self.max_rel > limits.max_rel:
            return f"{self.output} differs by {self.max_rel:.1e} of its largest value, more than {limits.max_rel:g}"
        if self.cosine < limits.cosine:
            return f"{self.output} has cosine {self.cosine:.4f}, less than {limits.cosine:g}"
        if self.decided_agreement is not None and self.decided_agreement < limits.agreement:
            return f"{self.output} decides {self.decided_agreement:.1%} alike, less than {limits.agreement:.1%}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The comparison of an engine with the source network.

    Args:
        engine: Name of the engine.
        samples: How many samples were compared.
        outputs: One entry an output.
        limits: What was demanded.
        float32_rel: By how much the source network in float32 differs from itself in float64, as `max_rel`, where the
            comparison is with the latter; None where it is with float32.
    """

    engine: str
    samples: int
    outputs: tuple[OutputParity, ...]
    limits: Limits
    float32_rel: float | None = None

    @property
    def max_rel(self) -> float:
        """The largest of all outputs."""
        return max(one.max_rel for one in self.outputs)

    @property
    def note(self) -> str:
        """What a reader must know of what it was compared with; "" where that is the network in float32."""
        if self.float32_rel is None:
            return ""
        own = f"from which PyTorch's own float32 is {self.float32_rel:.1e}"
        return f"is {self.max_rel:.1e} from the network in float64, {own}"

    @property
    def failure(self) -> str | None:
        """What is beyond the limits, or None."""
        return next(filter(None, (one.failure(self.limits) for one in self.outputs)), None)

    def require(self, where: str = "") -> "Parity":
        """Return self if within the limits.

        Args:
            where: Words for the message that tell where it differs.

        Raises:
            ParityError: Says which output differs by how much.
        """
        if self.failure:
            raise ParityError(
                f"computes something else on {self.samples} samples{f', {where}' if where else ''}: {self.failure}",
                where=self.engine,
                fix="nothing was written; choose another runtime or report the network",
            )
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        outputs = [{**asdict(one), "shape": list(one.shape)} for one in self.outputs]
        passed = self.failure is None
        return {
            "passed": passed,
            "samples": self.samples,
            "outputs": outputs,
            "limits": asdict(self.limits),
            "float32_rel": self.float32_rel,
        }

    def __str__(self) -> str:
        rows = [
            (
                *(one.output, "x".join(map(str, one.shape)), f"{one.max_abs:.2e}", f"{one.max_rel:.2e}"),
                f"{one.cosine:.6f}",
                "" if one.top1_agreement is None else f"{one.top1_agreement:.1%}",
            )
            for one in self.outputs
        ]
        columns = ("output", "shape", "max abs", "max rel", "cosine", "top-1")
        return render(columns, rows, title=f"{self.engine} on {self.samples} samples")


def compare(
    reference: Sequence[npt.NDArray[np.float32]],
    outputs: Sequence[npt.NDArray[np.float32]],
    *,
    engine: str,
    limits: Limits = FLOAT,
    names: Sequence[str] | None = None,
) -> Parity:
    """Compare an engine's outputs with the source network's.

    Args:
        reference: One array (N, …) an output.
        outputs: The engine's; dimensions of 1 may be lost, nothing else.
        engine: Its name, for messages.
        limits: What is demanded of `Parity.require`.
        names: Names of the outputs; layers' names when layers are compared.

    Raises:
        ParityError: Another number of outputs, another shape, or a value that is not finite.

    Example:
        >>> one = np.array([[1.0, 2.0]], np.float32)
        >>> compare([one], [one * 1.5], engine="demo").failure
        'output differs by 5.0e-01 of its largest value, more than 0.001'
    """
    if len(reference) != len(outputs):
        raise ParityError(f"gives {len(outputs)} outputs, the source {len(reference)}", where=engine)
    names = names or (["output"] if len(reference) == 1 else [f"output{place + 1}" for place in range(len(reference))])
    return Parity(
        engine=engine,
        samples=len(reference[0]),
        outputs=tuple(
            _compare_one(expected, actual, f"{engine}, {name}", name, limits.tie)
            for expected, actual, name in zip(reference, outputs, names, strict=True)
        ),
        limits=limits,
    )


def _compare_one(
    expected: npt.NDArray[np.float32], actual: npt.NDArray[np.float32], where: str, name: str, tie: float
) -> OutputParity:
    if len(expected) != len(actual) or _without_ones(expected) != _without_ones(actual):
        raise ParityError(f"gives shape {actual.shape}, the source {expected.shape}", where=where)
    for whose, values in (("the source", expected), ("the engine", actual)):
        wrong = int((~np.isfinite(values)).sum())
        if wrong:
            raise ParityError(f"{whose} gives {wrong} of {values.size} values that are not finite", where=where)
    rows = expected.astype(np.float64).reshape(len(expected), -1)
    others = actual.astype(np.float64).reshape(len(actual), -1)
    largest = float(np.abs(rows).max(initial=0.0))
    max_abs = float(np.abs(rows - others).max(initial=0.0))
    scores = expected.ndim == 2 and rows.shape[1] > 1
    strict, decided = _agreement(rows, others, tie * largest) if scores else (None, None)
    return OutputParity(
        output=name,
        shape=expected.shape[1:],
        max_abs=max_abs,
        max_rel=max_abs / largest if largest > 0 else max_abs,
        cosine=_least_cosine(rows, others),
        top1_agreement=strict,
        decided_agreement=decided,
    )


def _without_ones(array: npt.NDArray[np.float32]) -> tuple[int, ...]:
    return tuple(side for side in array.shape[1:] if side != 1)


def _least_cosine(rows: Floats, others: Floats) -> float:
    lengths = np.linalg.norm(rows, axis=1), np.linalg.norm(others, axis=1)
    product = lengths[0] * lengths[1]
    dots = (rows * others).sum(axis=1)
    # Two rows of zeros agree; one row of zeros agrees with nothing else.
    both_zero = (lengths[0] == 0) & (lengths[1] == 0)
    cosines = np.where(product > 0, dots / np.where(product > 0, product, 1.0), both_zero.astype(np.float64))
    return float(np.clip(cosines, -1.0, 1.0).min(initial=1.0))


def _agreement(rows: Floats, others: Floats, margin: float) -> tuple[float, float]:
    place = np.arange(len(rows))
    ours, theirs = rows.argmax(axis=1), others.argmax(axis=1)
    undecided = rows[place, ours] - rows[place, theirs] <= margin
    return float((ours == theirs).mean()), float(undecided.mean())


def integer_limits(rounding: Parity) -> Limits:
    """Return what an engine's integers may differ by from the rounding source.

    Args:
        rounding: How the rounding source differs from the float network, compared with `INTEGER`.

    Returns:
        `INTEGER` where an output is a row of scores, by which one decides; else twice what rounding alone changed, and
        `INTEGER` at least.

    Example:
        >>> float_map, rounded = np.array([[[4.0, 0.0]]], np.float32), np.array([[[4.0, 1.0]]], np.float32)
        >>> round(integer_limits(compare([float_map], [rounded], engine="demo", limits=INTEGER)).cosine, 3)
        0.94
    """
    if any(one.top1_agreement is not None for one in rounding.outputs):
        return INTEGER
    return seen_limits(rounding)


def seen_limits(parity: Parity) -> Limits:
    """Return limits that a comparison keeps with room to spare, for a way to run that something better has judged.

    Where accuracy on real images decided, another machine must give about the same numbers, not better ones.
    """
    worst = parity.limits
    agreed = [one.decided_agreement for one in parity.outputs if one.decided_agreement is not None]
    return Limits(
        max_rel=max(worst.max_rel, 2 * parity.max_rel),
        cosine=min(worst.cosine, *(1 - 2 * (1 - one.cosine) for one in parity.outputs)),
        agreement=min(worst.agreement, *(one - 0.1 for one in agreed), 1.0),
        tie=worst.tie,
    )

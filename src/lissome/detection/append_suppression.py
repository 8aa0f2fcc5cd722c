"""Put ONNX's own suppression behind a decoded detector: one file from pixels to boxes."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from lissome.core.errors import BadModelError, SettingError
from lissome.core.files import replacing

SELECTED = "selected"


def append_suppression(
    graph: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    threshold: float = 0.45,
    least: float = 0.3,
    limit: int = 100,
) -> None:
    """Write an ONNX file whose outputs are what is found, suppressed within each class by IoU.

    The new outputs, one row an object: "image" (K,) int64, "class" (K,) int64, "score" (K,) and "box" (K, 4), best
    first within each class of each picture.

    Args:
        graph: An ONNX file of a `Decoded` detector: outputs are corners (N, places, 4) and scores
            (N, places, classes).
        path: The file to write, whole or not at all.
        threshold: A box goes whose IoU with a better one of its class is above, [0, 1].
        least: Boxes go whose score is not above, [0, 1].
        limit: At most so many of each class of each picture, ≥ 1.

    Raises:
        BadModelError: The file is no such graph.
        SettingError: A value is out of its range.

    Source:
        The operator NonMaxSuppression of ONNX, version 11; it takes corners in any consistent order.
    """
    if not (0 <= threshold <= 1 and 0 <= least <= 1 and limit >= 1):
        raise SettingError(
            f"threshold {threshold}, least {least}, limit {limit}",
            where="append_suppression",
            fix="choose the first two in [0, 1], and a limit of at least 1",
        )
    model = onnx.load(os.fspath(graph))
    if len(model.graph.output) != 2:
        raise BadModelError(
            f"has {len(model.graph.output)} outputs", where=Path(graph).name, fix="export Decoded(network, head)"
        )
    boxes, scores = (one.name for one in model.graph.output)
    constants: dict[str, npt.NDArray[Any]] = {
        "limit": np.array([limit], np.int64),
        "threshold": np.array([threshold], np.float32),
        "least": np.array([least], np.float32),
        "column0": np.array(0, np.int64),
        "column1": np.array(1, np.int64),
        "columns02": np.array([0, 2], np.int64),
    }
    prefix = f"{SELECTED}/"
    model.graph.initializer.extend(numpy_helper.from_array(value, prefix + name) for name, value in constants.items())
    by_class = prefix + "scores"

    def node(kind: str, inputs: tuple[str, ...], output: str, **settings: Any) -> onnx.NodeProto:
        return helper.make_node(kind, list(inputs), [output], name=prefix + output.removeprefix(prefix), **settings)

    model.graph.node.extend(
        [
            node("Transpose", (scores,), by_class, perm=[0, 2, 1]),
            node(
                "NonMaxSuppression",
                (boxes, by_class, *(prefix + one for one in ("limit", "threshold", "least"))),
                SELECTED,
            ),
            node("Gather", (SELECTED, prefix + "column0"), "image", axis=1),
            node("Gather", (SELECTED, prefix + "column1"), "class", axis=1),
            node("GatherND", (by_class, SELECTED), "score"),
            node("Gather", (SELECTED, prefix + "columns02"), prefix + "places", axis=1),
            node("GatherND", (boxes, prefix + "places"), "box"),
        ]
    )
    del model.graph.output[:]
    made: tuple[tuple[str, int, list[str | int]], ...] = (
        ("image", TensorProto.INT64, ["found"]),
        ("class", TensorProto.INT64, ["found"]),
        ("score", TensorProto.FLOAT, ["found"]),
        ("box", TensorProto.FLOAT, ["found", 4]),
    )
    for name, kind, shape in made:
        model.graph.output.append(helper.make_tensor_value_info(name, kind, shape))
    onnx.checker.check_model(model, full_check=True)
    with replacing(path) as temporary:
        onnx.save(model, temporary)

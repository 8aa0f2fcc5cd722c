"""The verb: files in, proved files out."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from lissome.core.errors import BadModelError, UnknownNameError
from lissome.exporting.graph_proof import GraphProof, difference
from lissome.exporting.optimize import optimize
from lissome.exporting.to_onnx import to_onnx
from lissome.layers.channel_shuffle import ChannelShuffle

FILES = ("det_fastestdet/FastestDet.onnx", "face/yunet_n_320_320.onnx", "face/ultralight_version-RFB-320.onnx")
LIMIT = 1e-4


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A network with a shuffle, as torch exports it."""
    body = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), ChannelShuffle(2), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 4, 1)
    )
    to_onnx(body, (torch.zeros(1, 3, 12, 12),), tmp_path / "in.onnx")
    return tmp_path / "in.onnx"


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def test_a_file_becomes_a_smaller_one_that_computes_the_same(exported: Path, tmp_path: Path) -> None:
    outcome = optimize(exported, engine="onnxruntime")
    path = outcome.save(tmp_path / "out.onnx")
    written = onnx.load(path)
    onnx.checker.check_model(written, full_check=True)
    assert {one.op_type for one in written.graph.node} == {"Conv", "Relu"}
    assert outcome.parity is not None
    assert outcome.parity.max_rel < LIMIT
    x = np.random.default_rng(3).normal(size=(5, 3, 12, 12)).astype(np.float32)  # a batch that nothing was traced with
    assert difference(run(onnx.load(exported), x), run(written, x)) < LIMIT


def test_the_same_file_gives_the_same_bytes(exported: Path) -> None:
    first, second = (optimize(onnx.load(exported)).model.SerializeToString() for _ in range(2))
    assert first == second


def test_real_inputs_are_taken_for_the_proof(exported: Path) -> None:
    x = np.ones((1, 3, 12, 12), np.float32)
    outcome = optimize(onnx.load(exported), inputs={"input": x})
    assert outcome.parity is not None
    assert outcome.parity.origin == "the inputs given"
    with pytest.raises(BadModelError, match="does not run"):
        optimize(onnx.load(exported), inputs={"input": x[:, :2]})


def test_nothing_to_do_is_said(tmp_path: Path) -> None:
    to_onnx(nn.Conv2d(3, 4, 3), (torch.zeros(1, 3, 8, 8),), tmp_path / "in.onnx")
    outcome = optimize(onnx.load(tmp_path / "in.onnx"))
    assert outcome.parity is None
    assert "nothing was changed" in str(outcome)


def test_unknown_engine_and_pass_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError):
        optimize(tmp_path / "none.onnx", engine="tensorrt9")


def test_a_proof_sees_a_changed_weight(exported: Path) -> None:
    model = onnx.load(exported)
    proof = GraphProof(model)
    weight = next(one for one in model.graph.initializer if len(one.dims) == 4)
    changed = onnx.numpy_helper.to_array(weight).copy()
    changed[0] *= 1.01
    weight.CopyFrom(onnx.numpy_helper.from_array(changed, weight.name))
    assert proof.compare(model).failure is not None


def drawing(*more: onnx.NodeProto) -> onnx.ModelProto:
    """A graph that draws random numbers."""
    x, y = (onnx.helper.make_tensor_value_info(name, 1, [4]) for name in "xy")
    nodes = [onnx.helper.make_node("RandomUniformLike", ["x"], ["r"]), *more]
    nodes.append(onnx.helper.make_node("Add", ["x", nodes[-1].output[0]], ["y"]))
    graph = onnx.helper.make_graph(nodes, "g", [x], [y])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def test_of_a_graph_that_draws_random_numbers_no_difference_says_anything() -> None:
    proof = GraphProof(drawing())
    with pytest.raises(BadModelError, match="gives other outputs each time"):
        proof.compare(drawing(onnx.helper.make_node("Neg", ["r"], ["n"])))


@pytest.mark.data
@pytest.mark.parametrize("engine", [None, "onnxruntime"])
@pytest.mark.parametrize("name", FILES)
def test_networks_of_others_compute_the_same(name: str, engine: str | None, data_folder: Path) -> None:
    model = onnx.load(data_folder / "weights" / name)
    outcome = optimize(model, engine=engine)
    if outcome.parity is not None:
        assert outcome.parity.max_rel <= LIMIT
    assert sum(outcome.optimized.after.values()) <= sum(outcome.optimized.before.values())
    if "yunet" not in name:  # YuNet has nothing to gain: its convolutions come with their activations, as exported
        assert sum(outcome.optimized.after.values()) < 0.9 * sum(outcome.optimized.before.values())

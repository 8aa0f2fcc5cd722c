"""Convolutions by pairs of rows: what they save, where images stay halves, and what is left alone."""

import numpy as np
import pytest
from onnx import TensorProto

from lissome.graph import row_pair_plan
from lissome.graph.model import graph_from_model
from lissome.graph.row_pair_plan import Planner

LIMIT = 1e-5
SHAPE = ("batch", 8, 8, 6)


@pytest.fixture
def cheap(monkeypatch):
    """Small images are worth it."""
    for name in ("NODE_COST", "JOIN_COST", "WEIGHT_COST", "MACS_PER_ELEMENT"):
        monkeypatch.setattr(row_pair_plan, name, 1e-6)


def relu_conv(b, x, channels_in=8, channels_out=8, kernel=3, **settings):
    return b.node("Relu", b.conv(x, channels_in, channels_out, kernel, **settings))


def paired(rewrite, model, engine="onnxruntime"):
    done = rewrite(model, "pair_rows", engine=engine)
    assert done.difference < LIMIT
    return done


def dense_macs(model):
    """Multiply-adds of ordinary convolutions, of one column and one row each; halves have half the rows."""
    graph = graph_from_model(model)
    planner = Planner(graph)
    return sum(
        numbers.weight.size * planner.pixels(node.output) // numbers.outputs
        for node, numbers in planner.numbers.items()
        if numbers.plain
    )


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_chain_stays_halves_and_takes_two_thirds_of_the_macs(cheap, engine, build, rewrite):
    b = build()
    x = "x"
    for _ in range(3):
        x = relu_conv(b, x)
    done = paired(rewrite, b.model(x, shape=SHAPE), engine)
    assert dense_macs(done.after) * 3 == dense_macs(done.before) * 2
    assert (done.operators["Reshape"], done.operators["Concat"]) == (1, 1)
    assert done.fired == 1


@pytest.mark.parametrize(
    "end",
    [
        lambda b, x: b.conv(x, 8, 4, 3, strides=[2, 2], pads=[1] * 4),
        lambda b, x: b.conv(x, 8, 4, 1, strides=[2, 2], pads=[0] * 4),
        lambda b, x: b.conv(x, 8, 8, 3, strides=[2, 2], pads=[1] * 4, group=8),
        lambda b, x: b.node("GlobalAveragePool", x),
    ],
    ids=["3x3", "1x1", "depthwise", "mean"],
)
def test_a_step_over_rows_or_a_mean_needs_no_joining(cheap, end, build, rewrite):
    b = build()
    done = paired(rewrite, b.model(end(b, relu_conv(b, "x")), shape=SHAPE))
    assert done.fired == 1
    assert "Reshape" not in done.operators


@pytest.mark.parametrize(
    "middle",
    [
        lambda b, x: relu_conv(b, x, kernel=1),
        lambda b, x: relu_conv(b, x, kernel=(4, 3), pads=[2, 1, 1, 1]),
        lambda b, x: relu_conv(b, x, kernel=(1, 3), pads=[0, 1, 0, 1]),
        lambda b, x: b.node("Add", x, "x"),
        lambda b, x: b.node("Mul", x, b.node("GlobalAveragePool", x)),
        lambda b, x: b.conv(b.node("Concat", x, x, "x", axis=1), 24, 8),
        lambda b, x: relu_conv(b, x, dilations=[1, 2], pads=[1, 2, 1, 2]),
    ],
    ids=["1x1", "4x3", "1x3", "sum", "excitation", "concat", "dilated"],
)
def test_what_lies_between_works_on_halves(cheap, middle, build, rewrite):
    b = build()
    x = relu_conv(b, middle(b, relu_conv(b, "x")))
    done = paired(rewrite, b.model(b.conv(x, 8, 4, 3, strides=[2, 2], pads=[1] * 4), shape=SHAPE))
    assert done.fired == 1
    assert "Reshape" not in done.operators


@pytest.mark.parametrize(
    ("end", "rows"),
    [
        (lambda b, x: b.conv(x, 8, 4, 3, strides=[2, 2], pads=[1] * 4), 5),
        (lambda b, x: b.conv(x, 8, 4, 1, strides=[2, 2], pads=[0] * 4), 5),
        (lambda b, x: b.conv(x, 8, 4, 4, strides=[4, 4], pads=[1] * 4), 3),
        (lambda b, x: b.conv(x, 8, 8, 5, strides=[2, 2], pads=[2] * 4, group=8), 5),
        (lambda b, x: b.conv(x, 8, 4, (4, 1), pads=[1, 0, 1, 0]), 9),
        (lambda b, x: b.conv(x, 8, 4, (2, 1), strides=[3, 1], pads=[0, 0, 0, 0]), 3),
        (lambda b, x: b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), 5),
        (lambda b, x: relu_conv(b, relu_conv(b, x, strides=[2, 2], pads=[1] * 4)), 5),
    ],
    ids=["3x3", "1x1", "4x4 by 4", "depthwise", "no step", "by 3", "pooled", "convolved again"],
)
def test_halves_may_end_in_an_odd_number_of_rows(cheap, end, rows, build, rewrite):
    b = build()
    done = paired(rewrite, b.model(end(b, relu_conv(b, "x")), shape=("batch", 8, 10, 6)))
    assert done.fired == 1
    after = graph_from_model(done.after)
    assert after.shapes.shape(after.output_names[0])[2] == rows


def test_kernels_of_five_rows_leave_three_for_a_half_which_are_paired_again(cheap, build, rewrite):
    b = build()
    done = paired(rewrite, b.model(b.conv(relu_conv(b, "x"), 8, 4, 5, strides=[2, 2], pads=[2] * 4), shape=SHAPE))
    assert done.fired == 2
    assert dense_macs(done.after) < dense_macs(done.before)


def test_what_needs_whole_images_gets_them(cheap, build, rewrite):
    b = build()
    x = relu_conv(b, "x")
    pooled = b.node("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4)
    done = paired(rewrite, b.model(b.node("Add", relu_conv(b, x), pooled), x, shape=SHAPE))
    assert done.fired >= 1
    assert done.operators["Reshape"] == 2


@pytest.mark.parametrize(
    ("conv", "shape", "reason"),
    [
        (lambda b: b.conv("x", 8, 8, 3), ("batch", 8, 7, 6), "7 rows are no pairs"),
        (lambda b: b.conv("x", 8, 8, 3), ("batch", 8, "rows", 6), "not surely as high"),
        (lambda b: b.conv("x", 8, 8, 3, pads=[0, 1, 0, 1]), SHAPE, "not surely as high"),
        (lambda b: b.conv("x", 8, 8, 3, pads=[2] * 4, dilations=[2, 2]), SHAPE, "steps over rows"),
        (lambda b: b.conv("x", 8, 8, 3, strides=[2, 2]), SHAPE, "steps over rows"),
    ],
)
def test_near_misses_stay(cheap, conv, shape, reason, build, rewrite):
    b = build()
    done = paired(rewrite, b.model(conv(b), shape=shape))
    assert done.fired == 0
    assert reason in done.refusals[0]


def test_grouped_and_small_kernels_are_not_looked_at(cheap, build, rewrite):
    b = build()
    done = paired(rewrite, b.model(b.conv(b.conv("x", 8, 8, 3, group=2), 8, 8, 1), shape=SHAPE))
    assert (done.fired, done.refusals) == (0, [])


def test_small_images_do_not_pay(build, rewrite):
    b = build()
    done = paired(rewrite, b.model(b.conv("x", 8, 8, 3), shape=SHAPE))
    assert done.fired == 0
    assert "it would save a third of" in done.refusals[0]


def test_one_convolution_alone_may_not_pay_though_a_chain_does(build, rewrite):
    found = []
    for length in (1, 6):
        b = build()
        x = b.conv("x", 64, 64, 3)
        for _ in range(length - 1):
            x = b.conv(x, 64, 64, 3)
        inputs = {"x": (TensorProto.FLOAT, ("batch", 64, 32, 32))}
        found.append(rewrite(b.model(x, inputs=inputs), "pair_rows", engine="onnxruntime").fired)
    assert found == [0, 1]


def test_an_engine_nothing_is_known_of_keeps_its_convolutions(build, rewrite):
    b = build()
    done = rewrite(b.model(b.conv("x", 8, 8, 3), shape=SHAPE), "pair_rows")
    assert done.refusals == ["an engine may have quick convolutions of its own"]


def test_constants_as_high_as_the_image_are_left_whole(cheap, build, rewrite):
    b = build()
    x = b.node("Add", relu_conv(b, "x"), b.weights(1, 8, 8, 6))
    done = paired(rewrite, b.model(x, shape=SHAPE))
    assert done.fired == 1
    assert np.isfinite(done.difference)

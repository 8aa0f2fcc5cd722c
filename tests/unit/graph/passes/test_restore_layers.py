"""Layers that were written as reductions, and reductions that only look like them."""

import numpy as np
import pytest

LIMIT = 1e-5
NAME = "restore_layers"


def mean(b, x, axes, keepdims=1):
    if b.opset < 18:
        return b.node("ReduceMean", x, axes=axes, keepdims=keepdims)
    return b.node("ReduceMean", x, b.constant(axes, dtype=np.int64), keepdims=keepdims)


def normalized(b, x="x", axes=(-1,), *, square="Pow", power=2.0, of=None, inner=None):
    centred = b.node("Sub", x, mean(b, x, list(axes)))
    raised = of or centred
    squares = b.node("Mul", raised, raised) if square == "Mul" else b.node("Pow", raised, number(b, power))
    variance = mean(b, squares, list(inner or axes))
    return b.node("Div", centred, b.node("Sqrt", b.node("Add", variance, number(b, 1e-5))))


def number(b, value):
    return b.constant(value, dtype=np.float32)


def scaled(b, x, *shape):
    return b.node("Add", b.node("Mul", x, b.weights(*shape)), b.weights(*shape))


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("square", ["Pow", "Mul"])
def test_layer_normalisation_with_scale_and_shift_is_one_node(opset, square, build, rewrite):
    b = build(opset=opset)
    done = rewrite(b.model(b.node("Relu", scaled(b, normalized(b, square=square), 6))), NAME)
    assert done.operators == {"LayerNormalization": 1, "Relu": 1}
    assert done.difference < LIMIT


@pytest.mark.parametrize("axes", [(-1,), (2, 3), (1, 2, 3)])
def test_the_axes_are_the_last_ones(axes, build, rewrite):
    b = build()
    done = rewrite(b.model(b.node("Relu", normalized(b, axes=axes))), NAME)
    assert done.operators == {"LayerNormalization": 1, "Relu": 1}
    assert done.difference < LIMIT


def test_a_scale_that_is_wider_than_the_layer_stays_behind_it(build, rewrite):
    b = build()
    done = rewrite(b.model(scaled(b, normalized(b), 1, 8, 1, 1)), NAME)
    assert done.operators == {"LayerNormalization": 1, "Mul": 1, "Add": 1}
    assert done.difference < LIMIT


@pytest.mark.parametrize(("keepdims", "after"), [(1, {}), (0, {"Flatten": 1})])
@pytest.mark.parametrize("opset", [13, 18])
def test_a_mean_over_the_image_is_a_global_pooling(opset, keepdims, after, build, rewrite):
    b = build(opset=opset)
    done = rewrite(b.model(b.node("Relu", mean(b, "x", [-1, 2], keepdims))), NAME)
    assert done.operators == {"GlobalAveragePool": 1, "Relu": 1, **after}
    assert done.difference < LIMIT


NEAR = {
    "another power": lambda b: normalized(b, power=3.0),
    "a variance of something else": lambda b: normalized(b, of="x"),
    "a variance over other axes": lambda b: normalized(b, inner=(-2,)),
    "axes that are not the last": lambda b: normalized(b, axes=(1,)),
    "a mean over rows alone": lambda b: mean(b, "x", [2]),
}


@pytest.mark.parametrize("name", NEAR)
def test_near_misses_stay(name, build, rewrite):
    b = build()
    done = rewrite(b.model(NEAR[name](b)), NAME)
    assert (done.fired, done.difference) == (0, 0)


def test_an_opset_without_the_layer_keeps_the_arithmetic(build, rewrite):
    b = build(opset=16)
    done = rewrite(b.model(normalized(b)), NAME)
    assert done.fired == 0
    assert "which opset 16 does not have (since 17)" in done.refusals[0]

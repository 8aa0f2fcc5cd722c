"""Activations that were written as arithmetic, and arithmetic that only looks like it."""

import numpy as np
import pytest


def number(b, value):
    return b.constant(value, dtype=np.float32)


def clipped(b, x, shift=3.0, high=6.0):
    return b.node("Clip", b.node("Add", x, number(b, shift)), number(b, 0.0), number(b, high))


def gelu(b, x, root=2**0.5):
    erf = b.node("Erf", b.node("Div", x, number(b, root)))
    return b.node("Mul", b.node("Mul", x, b.node("Add", erf, number(b, 1.0))), number(b, 0.5))


FORMS = {
    "HardSigmoid": lambda b, x: b.node("Div", clipped(b, x), number(b, 6.0)),
    "HardSwish": lambda b, x: b.node("Div", b.node("Mul", x, clipped(b, x)), number(b, 6.0)),
    "HardSwish, divided first": lambda b, x: b.node("Mul", x, b.node("Mul", number(b, 1 / 6), clipped(b, x))),
    "HardSwish, half restored": lambda b, x: b.node("Mul", b.node("HardSigmoid", x, alpha=1 / 6, beta=0.5), x),
    "Mish": lambda b, x: b.node("Mul", x, b.node("Tanh", b.node("Softplus", x))),
    "Gelu": gelu,
}


@pytest.mark.parametrize("name", FORMS)
def test_arithmetic_becomes_the_activation(name, build, rewrite):
    b = build(opset=20)
    done = rewrite(b.model(FORMS[name](b, b.conv("x", 8, 8))), "restore_activations")
    assert done.operators == {"Conv": 1, name.partition(",")[0]: 1}
    assert done.difference < 1e-5


NEAR = {
    "another shift": lambda b, x: b.node("Div", b.node("Mul", x, clipped(b, x, shift=2.0)), number(b, 6.0)),
    "another limit": lambda b, x: b.node("Div", b.node("Mul", x, clipped(b, x, high=5.0)), number(b, 6.0)),
    "another divisor": lambda b, x: b.node("Div", b.node("Mul", x, clipped(b, x)), number(b, 5.0)),
    "another factor": lambda b, x: b.node("Div", b.node("Mul", b.node("Relu", x), clipped(b, x)), number(b, 6.0)),
    "another slope": lambda b, x: b.node("Mul", b.node("HardSigmoid", x, alpha=0.2, beta=0.5), x),
    "a softplus of another": lambda b, x: b.node("Mul", x, b.node("Tanh", b.node("Softplus", b.node("Abs", x)))),
    "another root": lambda b, x: gelu(b, x, root=2.0),
}


@pytest.mark.parametrize("name", NEAR)
def test_near_misses_stay(name, build, rewrite):
    b = build(opset=20)
    done = rewrite(b.model(NEAR[name](b, b.conv("x", 8, 8))), "restore_activations")
    assert not {"HardSwish", "Mish", "Gelu"} & set(done.operators)
    assert done.difference < 1e-6


@pytest.mark.parametrize(("name", "opset"), [("HardSwish", 13), ("Mish", 17), ("Gelu", 19)])
def test_an_opset_without_the_activation_keeps_the_arithmetic(name, opset, build, rewrite):
    b = build(opset=opset)
    done = rewrite(b.model(FORMS[name](b, b.conv("x", 8, 8))), "restore_activations")
    assert name not in done.operators
    assert any(f"opset {opset} does not have" in one for one in done.refusals)

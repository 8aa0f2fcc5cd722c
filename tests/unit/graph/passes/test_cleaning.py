"""Passes that remove what does nothing, and the near-misses they leave alone."""

import numpy as np
import pytest
from onnx import TensorProto, helper


def test_constants_are_computed(build, rewrite):
    b = build()
    total = b.node("Add", b.constant(np.arange(8.0), dtype=np.float32), b.constant(1.0, dtype=np.float32))
    column = b.node("Reshape", total, b.constant([1, 8, 1, 1], dtype=np.int64))
    done = rewrite(b.model(b.node("Mul", "x", column)), "fold_constants")
    assert (done.operators, done.fired, done.difference) == ({"Mul": 1}, 2, 0)


def test_constant_nodes_become_constants(build, rewrite):
    b = build()
    one = b.node("Constant", value=helper.make_tensor("v", TensorProto.FLOAT, [], [2.0]))
    done = rewrite(b.model(b.node("Mul", "x", one)), "fold_constants")
    assert (done.operators, done.difference) == ({"Mul": 1}, 0)


def test_integer_division_truncates_as_the_standard_says(build, rewrite):
    b = build()
    quotient = b.node("Div", b.constant([-7, 7, -8], dtype=np.int64), b.constant([2, -2, 2], dtype=np.int64))
    cast = b.node("Cast", quotient, to=TensorProto.FLOAT)
    done = rewrite(b.model(b.node("Add", "x", cast), shape=("batch", 3)), "fold_constants")
    assert (done.operators, done.difference) == ({"Add": 1}, 0)


def test_an_output_that_is_constant_stays(build, rewrite):
    b = build()
    b.node("Add", b.weights(3), b.weights(3), names=["y"])
    done = rewrite(b.model("y", b.node("Relu", "x")), "fold_constants")
    assert (done.fired, done.refusals) == (0, ["its output leaves the graph"])


def test_what_numpy_has_no_rule_for_is_refused(build, rewrite):
    b = build()
    done = rewrite(b.model(b.node("Mul", "x", b.node("Erf", b.weights(1)))), "fold_constants")
    assert (done.fired, done.refusals) == (0, ["there is no rule that computes it here"])


def shape_arithmetic(b, source):
    """reshape(x, (shape(x)[0], 2, shape(x)[1] / 2, shape(x)[2], shape(x)[3]))."""
    shape = b.node("Shape", source)
    sides = [b.node("Gather", shape, b.constant(place, dtype=np.int64)) for place in range(4)]
    half = b.node("Div", sides[1], b.constant(2, dtype=np.int64))
    parts = [sides[0], b.constant([2], dtype=np.int64), half, *sides[2:]]
    axes = b.constant([0], dtype=np.int64)
    wide = [part if place == 1 else b.node("Unsqueeze", part, axes) for place, part in enumerate(parts)]
    return b.node("Reshape", source, b.node("Concat", *wide, axis=0))


def test_shapes_become_constants_although_the_batch_is_free(build, rewrite):
    b = build()
    done = rewrite(b.model(shape_arithmetic(b, "x")), "fold_shapes")
    assert (done.operators, done.difference) == ({"Reshape": 1}, 0)
    (target,) = [one for one in done.after.graph.initializer if list(one.dims) == [5]]
    assert list(np.frombuffer(target.raw_data, np.int64)) == [0, 2, 4, 6, 6]


def test_shapes_of_free_images_are_left_to_the_engine(build, rewrite):
    b = build()
    done = rewrite(b.model(shape_arithmetic(b, "x"), shape=("batch", 8, "h", "w")), "fold_shapes")
    assert done.operators["Concat"] == 1
    assert "more than one side of the target is not known" in done.refusals


def test_what_nobody_reads_goes(build, rewrite):
    b = build()
    b.node("Relu", b.conv("x", 8, 8, 3))
    done = rewrite(b.model(b.node("Sigmoid", "x")), "eliminate_dead_nodes")
    assert (done.operators, len(done.after.graph.initializer)) == ({"Sigmoid": 1}, 0)


def test_what_a_branch_reads_stays(build, rewrite):
    b = build()
    inner = b.node("Relu", "x")
    made = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    branches = [helper.make_graph([helper.make_node(op, [inner], ["z"])], op, [], [made]) for op in ("Sigmoid", "Tanh")]
    condition = b.constant(True, dtype=np.bool_)
    chosen = b.node("If", condition, then_branch=branches[0], else_branch=branches[1])
    done = rewrite(b.model(chosen), "eliminate_dead_nodes")
    assert (done.operators, done.difference) == ({"Relu": 1, "If": 1}, 0)


IDENTITIES = {
    "Identity": lambda b, x: b.node("Identity", x),
    "Dropout": lambda b, x: b.node("Dropout", x),
    "Cast": lambda b, x: b.node("Cast", x, to=TensorProto.FLOAT),
    "Reshape": lambda b, x: b.node("Reshape", x, b.constant([0, 8, 6, 6], dtype=np.int64)),
    "Transpose": lambda b, x: b.node("Transpose", x, perm=[0, 1, 2, 3]),
    "Pad": lambda b, x: b.node("Pad", x, b.constant([0] * 8, dtype=np.int64)),
    "Slice": lambda b, x: b.node("Slice", x, *(b.constant([v], dtype=np.int64) for v in (0, 2**62, 1))),
    "Concat": lambda b, x: b.node("Concat", x, axis=1),
    "Add": lambda b, x: b.node("Add", b.constant(np.zeros((8, 1, 1)), dtype=np.float32), x),
    "Mul": lambda b, x: b.node("Mul", x, b.constant(1, dtype=np.float32)),
    "Div": lambda b, x: b.node("Div", x, b.constant(1, dtype=np.float32)),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_go(name, build, rewrite):
    b = build()
    done = rewrite(b.model(b.node("Relu", IDENTITIES[name](b, b.node("Sigmoid", "x")))), "eliminate_identities")
    assert (done.operators, done.difference) == ({"Sigmoid": 1, "Relu": 1}, 0)


@pytest.mark.parametrize("name", IDENTITIES)
def test_an_identity_before_an_output_goes_and_the_output_keeps_its_name(name, build, rewrite):
    b = build()
    last = IDENTITIES[name](b, b.node("Sigmoid", "x"))
    done = rewrite(b.model(last), "eliminate_identities")
    assert (done.operators, done.difference, done.after.graph.output[0].name) == ({"Sigmoid": 1}, 0, last)


NEAR_IDENTITIES = {
    "a cast": lambda b, x: b.node("Cast", b.node("Cast", x, to=TensorProto.INT32), to=TensorProto.FLOAT),
    "a reshape": lambda b, x: b.node("Reshape", x, b.constant([0, 4, 12, 6], dtype=np.int64)),
    "a transpose": lambda b, x: b.node("Transpose", x, perm=[0, 1, 3, 2]),
    "a pad": lambda b, x: b.node("Pad", x, b.constant([0, 0, 0, 1, 0, 0, 0, 0], dtype=np.int64)),
    "a slice": lambda b, x: b.node("Slice", x, *(b.constant([v], dtype=np.int64) for v in (0, 5, 2))),
    "two to join": lambda b, x: b.node("Concat", x, x, axis=1),
    "one that broadcasts": lambda b, x: b.node("Add", b.constant(np.zeros((2, 1, 1, 1, 1)), dtype=np.float32), x),
    "almost one": lambda b, x: b.node("Mul", x, b.constant(1.0001, dtype=np.float32)),
    "one minus": lambda b, x: b.node("Sub", b.constant(0, dtype=np.float32), x),
    "one over": lambda b, x: b.node("Div", b.constant(1, dtype=np.float32), x),
}


@pytest.mark.parametrize("name", NEAR_IDENTITIES)
def test_near_identities_stay(name, build, rewrite):
    b = build()
    done = rewrite(b.model(b.node("Relu", NEAR_IDENTITIES[name](b, "x"))), "eliminate_identities")
    assert (done.fired, len(done.after.graph.node)) == (0, len(b.nodes))


def test_an_identity_between_two_names_of_the_caller_stays(build, rewrite):
    b = build()
    done = rewrite(b.model(b.node("Identity", "x")), "eliminate_identities")
    assert (done.operators, done.refusals) == ({"Identity": 1}, ["the caller names both its input and its output"])


def test_layout_changes_are_joined(build, rewrite):
    b = build()
    turned = b.node("Transpose", b.node("Transpose", "x", perm=[0, 2, 3, 1]), perm=[0, 3, 2, 1])
    flat = b.node("Reshape", turned, b.constant([0, 4, 12, 6], dtype=np.int64))
    flat = b.node("Flatten", flat, axis=1)
    done = rewrite(b.model(flat), "merge_layout_changes")
    assert (done.operators, done.difference) == ({"Transpose": 1, "Reshape": 1}, 0)


def test_a_reshape_to_two_free_sides_is_not_joined(build, rewrite):
    b = build()
    merged = b.node("Reshape", "x", b.constant([0, 0, -1], dtype=np.int64))
    last = b.node("Reshape", merged, b.constant([-1, 2, 0], dtype=np.int64))
    done = rewrite(b.model(last, shape=("n", 8, "h", "w")), "merge_layout_changes")
    assert (done.fired, done.refusals) == (0, ["two sides of the result are free"])


def test_what_is_computed_twice_is_computed_once(build, rewrite):
    b = build()
    twice = [b.node("Relu", b.node("Add", "x", b.constant(3.0, dtype=np.float32))) for _ in range(2)]
    done = rewrite(b.model(b.node("Mul", *twice)), "merge_common_subexpressions")
    assert (done.operators, done.difference) == ({"Add": 1, "Relu": 1, "Mul": 1}, 0)


def test_what_differs_in_a_setting_or_a_constant_is_not_the_same(build, rewrite):
    b = build()
    slopes = [b.node("LeakyRelu", "x", alpha=alpha) for alpha in (0.1, 0.2)]
    sums = [b.node("Add", "x", b.constant(value, dtype=np.float32)) for value in (1.0, 2.0)]
    done = rewrite(b.model(b.node("Sum", *slopes, *sums)), "merge_common_subexpressions")
    assert done.fired == 0

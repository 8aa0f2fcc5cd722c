"""Passes that compute with weights, and the near-misses they leave alone."""

import numpy as np
import pytest

LIMIT = 1e-5


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("group", [1, 4, 8])
def test_batch_norm_goes_into_the_convolution(bias, group, build, rewrite):
    b = build()
    done = rewrite(b.model(b.batch_norm(b.conv("x", 8, 16, 3, bias=bias, group=group), 16)), "fold_batch_norms")
    assert done.operators == {"Conv": 1}
    assert done.difference < LIMIT


@pytest.mark.parametrize("group", [1, 2])
def test_batch_norm_goes_into_the_transposed_convolution(group, build, rewrite):
    b = build()
    up = b.node("ConvTranspose", "x", b.weights(8, 6, 2, 2), strides=[2, 2], group=group)
    done = rewrite(b.model(b.batch_norm(up, 6 * group)), "fold_batch_norms")
    assert done.operators == {"ConvTranspose": 1}
    assert done.difference < LIMIT


@pytest.mark.parametrize("turned", [0, 1])
def test_batch_norm_goes_into_the_fully_connected_layer(turned, build, rewrite):
    b = build()
    weight = b.weights(5, 8) if turned else b.weights(8, 5)
    flat = b.node("Gemm", "x", weight, b.weights(5), transB=turned)
    done = rewrite(b.model(b.batch_norm(flat, 5), shape=("batch", 8)), "fold_batch_norms")
    assert done.operators == {"Gemm": 1}
    assert done.difference < LIMIT


def test_batch_norm_stays_where_the_convolution_is_read_twice(build, rewrite):
    b = build()
    conv = b.conv("x", 8, 8, 3)
    done = rewrite(b.model(b.node("Add", b.batch_norm(conv, 8), conv)), "fold_batch_norms")
    assert (done.fired, len(done.refusals)) == (0, 1)
    assert "read elsewhere" in done.refusals[0]


def test_batch_norm_stays_behind_an_activation(build, rewrite):
    b = build()
    done = rewrite(b.model(b.batch_norm(b.node("Relu", b.conv("x", 8, 8)), 8)), "fold_batch_norms")
    assert done.refusals == ["no convolution makes its input"]


def test_batch_norm_whose_fold_overflows_stays(build, rewrite):
    b = build()
    name = b.batch_norm(b.conv("x", 8, 8), 8)
    b.constants[b.nodes[-1].input[1]][:] = 3e38
    done = rewrite(b.model(b.node("Tanh", name)), "fold_batch_norms")
    assert done.refusals == ["the folded weights are not finite"]


@pytest.mark.parametrize("op", ["Mul", "Add", "Sub", "Div"])
@pytest.mark.parametrize("shape", [(), (8, 1, 1), (1, 8, 1, 1)])
def test_arithmetic_with_constants_goes_into_the_convolution(op, shape, build, rewrite):
    b = build()
    done = rewrite(b.model(b.node(op, b.conv("x", 8, 8, 3), b.weights(*shape))), "fold_scales")
    assert done.operators == {"Conv": 1}
    assert done.difference < LIMIT


@pytest.mark.parametrize("shape", [(6,), (6, 6), (2, 1, 1, 1)])
def test_arithmetic_that_is_not_by_channel_stays(shape, build, rewrite):
    b = build()
    done = rewrite(b.model(b.node("Mul", b.conv("x", 8, 8, 3), b.weights(*shape)), shape=(2, 8, 6, 6)), "fold_scales")
    assert done.fired == 0


def test_division_by_the_result_stays(build, rewrite):
    b = build()
    done = rewrite(b.model(b.node("Div", b.constant(1, dtype=np.float32), b.conv("x", 8, 8))), "fold_scales")
    assert done.fired == 0


def test_preprocessing_goes_into_convolutions_without_padding(build, rewrite):
    b = build()
    ready = b.node("Div", b.node("Sub", "x", b.weights(1, 8, 1, 1)), b.constant(58.0, dtype=np.float32))
    outs = [b.conv(ready, 8, 4, 3, pads=[0] * 4), b.conv(ready, 8, 4, 3, group=2, pads=[0] * 4)]
    done = rewrite(b.model(b.node("Add", *outs)), "fold_input_scales")
    assert done.operators == {"Conv": 2, "Add": 1}
    assert done.difference < LIMIT


def test_a_shift_does_not_go_through_padding_but_a_scale_does(build, rewrite):
    b = build()
    ready = b.node("Sub", b.node("Mul", "x", b.constant(0.02, dtype=np.float32)), b.weights(1, 8, 1, 1))
    done = rewrite(b.model(b.conv(ready, 8, 4, 3)), "fold_input_scales")
    assert (done.operators, done.fired) == ({"Mul": 1, "Sub": 1, "Conv": 1}, 0)
    assert "pads with zeros" in done.refusals[0]
    b = build()
    done = rewrite(b.model(b.conv(b.node("Mul", "x", b.weights(1, 8, 1, 1)), 8, 4, 3)), "fold_input_scales")
    assert done.operators == {"Conv": 1}
    assert done.difference < LIMIT


def test_branches_of_repvgg_become_one_convolution(build, rewrite):
    b = build()
    total = b.node("Add", b.conv("x", 8, 8, 3), b.conv("x", 8, 8, 1))
    done = rewrite(b.model(b.node("Relu", b.node("Add", total, b.batch_norm("x", 8)))), "merge_summed_convs")
    assert done.operators == {"Conv": 1, "Relu": 1}
    assert done.difference < LIMIT


@pytest.mark.parametrize("group", [2, 8])
def test_grouped_branches_with_an_identity_become_one(group, build, rewrite):
    b = build()
    total = b.node("Add", b.conv("x", 8, 8, 3, group=group), "x")
    done = rewrite(b.model(b.node("Relu", total)), "merge_summed_convs")
    assert done.operators == {"Conv": 1, "Relu": 1}
    assert done.difference < LIMIT


def test_asymmetric_branches_of_acnet_become_one(build, rewrite):
    b = build()
    square, flat = b.conv("x", 8, 8, 3), b.conv("x", 8, 8, (1, 3), pads=[0, 1, 0, 1])
    tall = b.conv("x", 8, 8, (3, 1), pads=[1, 0, 1, 0])
    done = rewrite(b.model(b.node("Add", b.node("Add", square, flat), tall)), "merge_summed_convs")
    assert done.operators == {"Conv": 1}
    assert done.difference < LIMIT


NOT_ONE = {
    "a cross without its square": lambda b: [
        b.conv("x", 8, 8, (1, 3), pads=[0, 1, 0, 1]),
        b.conv("x", 8, 8, (3, 1), pads=[1, 0, 1, 0]),
    ],
    "other groups": lambda b: [b.conv("x", 8, 8, 3, group=2), b.conv("x", 8, 8, 3)],
    "other dilations": lambda b: [b.conv("x", 8, 8, 3), b.conv("x", 8, 8, 3, pads=[2] * 4, dilations=[2, 2])],
    "other inputs": lambda b: [b.conv("x", 8, 8, 3), b.conv(b.node("Relu", "x"), 8, 8, 3)],
}


@pytest.mark.parametrize("name", NOT_ONE)
def test_sums_that_are_no_single_convolution_stay(name, build, rewrite):
    b = build()
    done = rewrite(b.model(b.node("Add", *NOT_ONE[name](b))), "merge_summed_convs")
    assert (done.fired, done.difference) == (0, 0)


def test_a_branch_that_is_read_elsewhere_stays(build, rewrite):
    b = build()
    first = b.conv("x", 8, 8, 3)
    done = rewrite(b.model(b.node("Add", first, b.conv("x", 8, 8, 1)), b.node("Relu", first)), "merge_summed_convs")
    assert done.fired == 0
    assert "read elsewhere" in done.refusals[0]


def test_a_pointwise_pair_becomes_one_where_that_is_less_work(build, rewrite):
    b = build()
    done = rewrite(b.model(b.conv(b.conv("x", 8, 32), 32, 8)), "merge_consecutive_convs")
    assert done.operators == {"Conv": 1}
    assert done.difference < LIMIT


@pytest.mark.parametrize("first_bias", [True, False])
def test_a_pointwise_convolution_goes_into_a_larger_kernel_behind_it(first_bias, build, rewrite):
    b = build()
    pads = [0] * 4 if first_bias else [1] * 4
    middle = b.conv("x", 8, 64, bias=first_bias)
    done = rewrite(b.model(b.conv(middle, 64, 8, 3, pads=pads)), "merge_consecutive_convs")
    assert done.operators == {"Conv": 1}
    assert done.difference < LIMIT


def test_a_pointwise_convolution_goes_into_a_larger_kernel_before_it(build, rewrite):
    b = build()
    done = rewrite(b.model(b.conv(b.conv("x", 8, 32, 3, strides=[2, 2]), 32, 8)), "merge_consecutive_convs")
    assert done.operators == {"Conv": 1}
    assert done.difference < LIMIT


NO_PAIRS = {
    "a bottleneck": (lambda b: b.conv(b.conv("x", 8, 2), 2, 8), "times the MACs"),
    "a bias before padding": (lambda b: b.conv(b.conv("x", 8, 64), 64, 8, 3), "pads with zeros"),
    "two large kernels": (lambda b: b.conv(b.conv("x", 8, 64, 3), 64, 8, 3), "single pixels"),
    "groups": (lambda b: b.conv(b.conv("x", 8, 32, group=2), 32, 8), "several groups"),
    "a second reader": (
        lambda b: (lambda middle: b.node("Concat", b.conv(middle, 32, 8), middle, axis=1))(b.conv("x", 8, 32)),
        "read elsewhere",
    ),
}


@pytest.mark.parametrize("name", NO_PAIRS)
def test_pairs_that_are_no_gain_or_not_equal_stay(name, build, rewrite):
    b = build()
    make, reason = NO_PAIRS[name]
    done = rewrite(b.model(make(b)), "merge_consecutive_convs")
    assert (done.fired, done.difference) == (0, 0)
    assert any(reason in one for one in done.refusals)


def test_an_activation_in_between_keeps_two(build, rewrite):
    b = build()
    done = rewrite(b.model(b.conv(b.node("Relu", b.conv("x", 8, 32)), 32, 8)), "merge_consecutive_convs")
    assert (done.fired, done.refusals) == (0, [])

"""Passes that move channels, and the near-misses they leave alone."""

import numpy as np
import pytest

LIMIT = 1e-5


def shuffle(b, x, groups=2, channels=8, side=6):
    wide = b.node("Reshape", x, b.constant([0, groups, channels // groups, side, side], dtype=np.int64))
    turned = b.node("Transpose", wide, perm=[0, 2, 1, 3, 4])
    return b.node("Reshape", turned, b.constant([0, channels, side, side], dtype=np.int64))


def unit(b, x, channels=8):
    """A unit of ShuffleNetV2: half is handed on, half is convolved, both are joined and shuffled."""
    half = channels // 2
    sizes = b.constant([half, half], dtype=np.int64)
    left, right = b.node("Split", x, sizes, outputs=2, axis=1)
    right = b.node("Relu", b.conv(right, half, half))
    right = b.conv(right, half, half, 3, group=half)
    right = b.node("Relu", b.conv(right, half, half))
    return shuffle(b, b.node("Concat", left, right, axis=1), channels=channels)


@pytest.mark.parametrize("engine", [None, "onnxruntime"])
def test_shuffles_go_into_the_weights(engine, build, rewrite):
    b = build()
    x = b.node("Relu", b.conv("x", 8, 8, 3))
    for _ in range(3):
        x = unit(b, x)
    done = rewrite(b.model(b.conv(x, 8, 5)), "absorb_channel_shuffles", engine=engine)
    assert done.difference < LIMIT
    assert {"Transpose", "Reshape"} & set(done.operators) == set()
    assert done.operators["Split"] <= 4
    assert done.operators["Concat"] <= 4


def test_a_shuffle_between_two_convolutions_disappears(build, rewrite):
    b = build()
    shuffled = shuffle(b, b.node("Relu", b.conv("x", 8, 8, 3)))
    done = rewrite(b.model(b.conv(b.conv(shuffled, 8, 8, 3, group=8), 8, 4)), "absorb_channel_shuffles")
    assert done.operators == {"Conv": 3, "Relu": 1}
    assert done.difference < LIMIT


def test_channels_for_an_output_keep_their_order(build, rewrite):
    b = build()
    shuffled = shuffle(b, b.conv("x", 8, 8, 3))
    done = rewrite(b.model(shuffled, b.conv(shuffled, 8, 4)), "absorb_channel_shuffles")
    assert done.difference < LIMIT
    assert "Transpose" not in done.operators


def test_grouped_convolutions_keep_their_channels_together(build, rewrite):
    b = build()
    shuffled = shuffle(b, b.conv("x", 8, 8, 3, group=2))
    done = rewrite(b.model(b.conv(shuffled, 8, 8, 3, group=2)), "absorb_channel_shuffles")
    assert (done.fired, done.difference) == (0, 0)
    assert "would still move" in done.refusals[0]


def test_what_moves_pixels_is_no_shuffle(build, rewrite):
    b = build()
    turned = b.node("Transpose", b.conv("x", 8, 8, 3), perm=[0, 1, 3, 2])
    done = rewrite(b.model(b.conv(b.node("Concat", turned, turned, axis=1), 16, 4)), "absorb_channel_shuffles")
    assert (done.fired, done.refusals) == (0, ["it moves pixels, not only whole channels"])


def test_what_mixes_the_batch_is_no_shuffle(build, rewrite):
    b = build()
    turned = b.node("Transpose", b.conv("x", 8, 2, 3), perm=[1, 0, 2, 3])
    done = rewrite(b.model(b.node("Identity", turned), shape=(2, 8, 6, 6)), "absorb_channel_shuffles")
    assert done.fired == 0


def joined(b, sizes, reader=16):
    parts = [b.node("Relu", b.conv("x", 8, size, 3)) for size in sizes]
    return b.conv(b.node("MaxPool", b.node("Concat", *parts, axis=1), kernel_shape=[2, 2]), sum(sizes), reader)


def test_a_concatenation_is_divided_among_weights(build, rewrite):
    b = build()
    done = rewrite(b.model(joined(b, (24, 40)), shape=("n", 8, 64, 64)), "eliminate_concats")
    assert done.operators == {"Conv": 4, "Relu": 2, "MaxPool": 2, "Add": 1}
    assert done.difference < LIMIT


def test_ghost_blocks_with_squeeze_and_shortcut_are_divided(build, rewrite):
    b = build()

    def ghost(x, channels_in, half):
        one = b.conv(x, channels_in, half)
        return b.node("Concat", one, b.conv(one, half, half, 3, group=half), axis=1)

    x = b.node("Relu", b.conv("x", 8, 40, 3))
    wide = ghost(x, 40, 36)
    squeezed = b.node("Relu", b.conv(b.node("GlobalAveragePool", wide), 72, 18))
    scaled = b.node("Mul", wide, b.node("HardSigmoid", b.conv(squeezed, 18, 72)))
    out = b.node("Add", ghost(scaled, 72, 20), x)
    done = rewrite(b.model(b.conv(out, 40, 16), shape=("n", 8, 56, 56)), "eliminate_concats")
    assert done.fired >= 1
    assert done.operators.get("Concat", 0) <= 1
    assert done.difference < LIMIT


def test_a_concatenation_whose_reader_is_wide_stays(build, rewrite):
    b = build()
    done = rewrite(b.model(joined(b, (8, 8), reader=64)), "eliminate_concats")
    assert done.fired == 0
    assert "dividing costs" in done.refusals[0]


def test_a_concatenation_for_a_softmax_or_the_caller_stays(build, rewrite):
    b = build()
    wide = b.node("Concat", b.conv("x", 8, 32), b.conv("x", 8, 32), axis=1)
    done = rewrite(b.model(b.node("Softmax", wide, axis=1)), "eliminate_concats")
    assert "in one piece" in done.refusals[0]
    b = build()
    wide = b.node("Concat", b.conv("x", 8, 32), b.conv("x", 8, 32), axis=1)
    done = rewrite(b.model(wide, b.conv(wide, 64, 2)), "eliminate_concats")
    assert done.refusals == ["the whole leaves the graph"]


def thin(b, channels=10):
    x = b.node("Relu", b.conv("x", 8, channels, 3))
    return b.conv(b.conv(x, channels, channels, 3, group=channels), channels, 8)


def test_channels_are_aligned_for_the_engine_that_needs_it(build, rewrite):
    b = build()
    done = rewrite(b.model(thin(b)), "align_channels", engine="onnxruntime")
    assert (done.fired, done.operators) == (1, {"Conv": 3, "Relu": 1})
    widths = [one.dims[0] for one in done.after.graph.initializer if len(one.dims) == 4]
    assert sorted(widths) == [8, 16, 16]
    assert done.difference < LIMIT


@pytest.mark.parametrize("engine", [None, "openvino"])
def test_channels_stay_for_engines_that_do_not_need_it(engine, build, rewrite):
    b = build()
    done = rewrite(b.model(thin(b)), "align_channels", engine=engine)
    assert (done.fired, len(done.refusals)) == (0, 1)


def test_channels_that_fit_or_that_others_see_stay(build, rewrite):
    b = build()
    assert rewrite(b.model(thin(b, 32)), "align_channels", engine="onnxruntime").fired == 0
    b = build()
    x = b.conv("x", 8, 10, 3)
    done = rewrite(b.model(b.conv(x, 10, 16), x), "align_channels", engine="onnxruntime")
    assert done.refusals == ["they leave the graph"]
    b = build()
    x = b.node("Softmax", b.conv("x", 8, 10, 3), axis=1)
    done = rewrite(b.model(b.conv(x, 10, 16)), "align_channels", engine="onnxruntime")
    assert "in one piece" in done.refusals[0]


def test_parallel_convolutions_that_are_joined_become_one(build, rewrite):
    b = build()
    parts = [b.node("Relu", b.conv("x", 8, width, 3)) for width in (4, 8)]
    wide = b.node("Concat", b.node("Sigmoid", "x"), *parts, axis=1)
    done = rewrite(b.model(wide), "merge_parallel_convs", engine="onnxruntime")
    assert done.operators == {"Conv": 1, "Relu": 1, "Sigmoid": 1, "Concat": 1}
    assert done.difference < LIMIT


def test_parallel_convolutions_are_split_only_where_that_is_free(build, rewrite):
    b = build()
    model = b.model(*(b.conv(b.node("Relu", b.conv("x", 8, width)), width, 4, 3) for width in (4, 8)))
    done = rewrite(model, "merge_parallel_convs", engine="openvino")
    assert done.operators == {"Conv": 3, "Relu": 1, "Split": 1}
    assert done.difference < LIMIT
    done = rewrite(model, "merge_parallel_convs", engine="onnxruntime")
    assert done.fired == 0
    assert "would have to be split" in done.refusals[0]


@pytest.mark.parametrize("opset", [11, 17])
def test_a_split_has_the_form_of_its_opset(opset, build, rewrite):
    b = build(opset=opset)
    model = b.model(*(b.conv(b.node("Relu", b.conv("x", 8, width)), width, 4, 3) for width in (4, 8)))
    done = rewrite(model, "merge_parallel_convs", engine="openvino")
    assert done.operators["Split"] == 1
    assert done.difference < LIMIT


def test_other_kernels_are_padded_only_where_that_costs_little(build, rewrite):
    b = build()
    parts = [b.conv("x", 8, 64, 3), b.conv("x", 8, 1)]
    done = rewrite(b.model(b.node("Concat", *parts, axis=1)), "merge_parallel_convs")
    assert done.operators == {"Conv": 1, "Concat": 1}
    assert done.difference < LIMIT
    b = build()
    parts = [b.conv("x", 8, 16, 3), b.conv("x", 8, 16)]
    done = rewrite(b.model(b.node("Concat", *parts, axis=1)), "merge_parallel_convs")
    assert "times the MACs" in done.refusals[0]


def test_parallel_convolutions_of_other_strides_or_activations_stay(build, rewrite):
    b = build()
    parts = [b.node("Relu", b.conv("x", 8, 4)), b.node("Sigmoid", b.conv("x", 8, 4))]
    done = rewrite(b.model(b.node("Concat", *parts, axis=1)), "merge_parallel_convs", engine="openvino")
    assert done.refusals == ["they differ in strides, dilations or activation"]


def masked(b, dead_rows=(), dead_columns=()):
    """A block of 20 channels of which some were masked."""
    first, weight, bias = b.conv("x", 8, 20, 3), b.nodes[-1].input[1], b.nodes[-1].input[2]
    b.constants[weight][list(dead_rows)] = 0
    b.constants[bias][list(dead_rows)] = 0
    middle = b.conv(b.node("Relu", first), 20, 20, 3, group=20, bias=False)
    last = b.conv(middle, 20, 8)
    b.constants[b.nodes[-1].input[1]][:, list(dead_columns)] = 0
    return last


def test_dead_channels_go(build, rewrite):
    b = build()
    done = rewrite(b.model(masked(b, dead_rows=(1, 2), dead_columns=(5,))), "narrow_channels")
    widths = sorted(one.dims[0] for one in done.after.graph.initializer if len(one.dims) == 4)
    assert (done.fired, widths) == (1, [8, 17, 17])
    assert done.difference < LIMIT


def test_dead_channels_go_by_whole_blocks_for_an_engine_that_has_them(build, rewrite):
    b = build()
    done = rewrite(b.model(masked(b, dead_rows=(1, 2, 7, 8, 19))), "narrow_channels", engine="onnxruntime")
    widths = sorted(one.dims[0] for one in done.after.graph.initializer if len(one.dims) == 4)
    assert (done.fired, widths) == (1, [8, 16, 16])
    assert done.difference < LIMIT
    b = build()
    done = rewrite(b.model(masked(b, dead_rows=(1, 2))), "narrow_channels", engine="onnxruntime")
    assert "less than a block" in done.refusals[0]


def test_channels_that_are_constant_but_not_zero_stay(build, rewrite):
    b = build()
    first, weight = b.conv("x", 8, 20, 3), b.nodes[-1].input[1]
    b.constants[weight][3] = 0  # its bias is not
    done = rewrite(b.model(b.conv(b.node("Relu", first), 20, 8, 3)), "narrow_channels")
    assert done.fired == 0
    b = build()
    first, weight, bias = b.conv("x", 8, 20, 3), b.nodes[-1].input[1], b.nodes[-1].input[2]
    b.constants[weight][3] = b.constants[bias][3] = 0
    done = rewrite(b.model(b.conv(b.node("Sigmoid", first), 20, 8, 3)), "narrow_channels")  # sigmoid(0) is not 0
    assert done.fired == 0


def test_dead_channels_that_the_caller_sees_stay(build, rewrite):
    b = build()
    first, weight, bias = b.conv("x", 8, 20, 3), b.nodes[-1].input[1], b.nodes[-1].input[2]
    b.constants[weight][3] = b.constants[bias][3] = 0
    done = rewrite(b.model(first, b.conv(first, 20, 8)), "narrow_channels")
    assert "leave the graph" in done.refusals[0]

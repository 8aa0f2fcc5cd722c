"""Frames of zeros become paddings of the convolutions behind them."""

import numpy as np
import pytest

from lissome.graph.optimize import padded_by_convolutions

FRAME = [0, 0, 1, 0, 0, 0, 2, 1]


def framed(b, source="x", pads=FRAME, **attributes):
    """Pad rows by 1 and 2, columns by 0 and 1."""
    return b.node("Pad", source, b.constant(pads, dtype=np.int64), **attributes)


def rounded(b, source, zero_point):
    scale, zero = b.constant(0.05, dtype=np.float32), b.constant(zero_point, dtype=np.uint8)
    return b.node("DequantizeLinear", b.node("QuantizeLinear", source, scale, zero), scale, zero)


def test_convolutions_pad_by_themselves(build, rewrite):
    b = build()
    pad = framed(b)
    done = rewrite(b.model(b.conv(pad, 8, 4, 3), b.conv(pad, 8, 4, 3, strides=[2, 2], pads=[0, 0, 0, 0])), "fold_pads")
    assert (done.operators, done.fired) == ({"Conv": 2}, 1)
    assert done.difference < 1e-6
    paddings = [list(one.ints) for node in done.after.graph.node for one in node.attribute if one.name == "pads"]
    assert paddings == [[2, 1, 3, 2], [1, 0, 2, 1]]


@pytest.mark.parametrize("zero_point", [0, 128])
def test_rounding_in_between_keeps_zeros(build, rewrite, zero_point):
    b = build()
    done = rewrite(b.model(b.conv(rounded(b, framed(b), zero_point), 8, 4, 3)), "fold_pads")
    assert done.operators == {"QuantizeLinear": 1, "DequantizeLinear": 1, "Conv": 1}
    assert done.difference < 1e-6


NOT_ZEROS = "it pads by something else than zeros"
NOT_IMAGE = "it changes batch or channels, or cuts"
READ = "not only convolutions with paddings of their own read it"


@pytest.mark.parametrize(
    ("pads", "attributes", "reason"),
    [
        (FRAME, {"mode": "reflect"}, NOT_ZEROS),
        ([0, 1, 1, 0, 0, 0, 2, 1], {}, NOT_IMAGE),
        ([0, 0, 1, 0, 0, 0, -1, 1], {}, NOT_IMAGE),
    ],
)
def test_other_frames_stay(build, rewrite, pads, attributes, reason):
    b = build()
    channels = 8 + pads[1]
    done = rewrite(b.model(b.conv(framed(b, pads=pads, **attributes), channels, 4, 3)), "fold_pads")
    assert (done.fired, done.refusals) == (0, [reason])


def test_a_frame_of_ones_stays(build, rewrite):
    b = build()
    pad = b.node("Pad", "x", b.constant(FRAME, dtype=np.int64), b.constant(1.0, dtype=np.float32))
    assert rewrite(b.model(b.conv(pad, 8, 4, 3)), "fold_pads").refusals == [NOT_ZEROS]


def test_a_frame_that_others_see_stays(build, rewrite):
    for other in ("Relu", "MaxPool"):
        b = build()
        pad = framed(b)
        settings = {"kernel_shape": [2, 2]} if other == "MaxPool" else {}
        done = rewrite(b.model(b.conv(pad, 8, 4, 3), b.node(other, pad, **settings)), "fold_pads")
        assert (done.fired, done.refusals) == (0, [READ])


def test_a_frame_that_leaves_the_graph_stays(build, rewrite):
    b = build()
    pad = framed(b)
    assert rewrite(b.model(b.conv(pad, 8, 4, 3), pad), "fold_pads").refusals == [READ]


def test_a_convolution_that_chooses_its_paddings_is_left_alone(build, rewrite):
    b = build()
    conv = b.node("Conv", framed(b), b.weights(4, 8, 3, 3), auto_pad="SAME_UPPER")
    assert rewrite(b.model(conv), "fold_pads").refusals == [READ]


def test_a_graph_without_frames_is_handed_back(build):
    b = build()
    model = b.model(b.conv("x", 8, 4, 3))
    assert padded_by_convolutions(model) is model

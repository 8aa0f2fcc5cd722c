"""Average poolings and pointwise convolutions in the other order, and where the order matters."""

import pytest

LIMIT = 1e-5
NAME = "swap_average_pools"


def pool(b, x, kernel=3, stride=1, pad=1, **settings):
    return b.node("AveragePool", x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, **settings)


def order(done):
    return [node.op_type for node in done.after.graph.node]


def test_a_pooling_that_shrinks_goes_first(build, rewrite):
    b = build()
    done = rewrite(b.model(pool(b, b.conv("x", 8, 8), 2, 2, 0)), NAME)
    assert order(done) == ["AveragePool", "Conv"]
    assert (done.fired, done.difference < LIMIT) == (1, True)


def test_padding_that_does_not_count_commutes_with_the_bias(build, rewrite):
    b = build()
    done = rewrite(b.model(pool(b, b.conv("x", 8, 8), 3, 2, 1)), NAME)
    assert order(done) == ["AveragePool", "Conv"]
    assert (done.fired, done.difference < LIMIT) == (1, True)


@pytest.mark.parametrize("settings", [{"count_include_pad": 1}, {"count_include_pad": 0}])
def test_a_pooling_that_keeps_the_size_goes_behind_fewer_channels(settings, build, rewrite):
    b = build()
    done = rewrite(b.model(b.node("Relu", b.conv(pool(b, "x", **settings), 8, 4))), NAME)
    last = "Conv" if settings["count_include_pad"] else "AveragePool"
    assert order(done) == ["Conv", last, "Relu"]
    assert (done.fired, done.difference < LIMIT) == (1, True)


NEAR = {
    "counted padding before a bias": lambda b: pool(b, b.conv("x", 8, 8), 3, 2, 1, count_include_pad=1),
    "a convolution of more than a pixel": lambda b: pool(b, b.conv("x", 8, 8, 3), 2, 2, 0),
    "groups": lambda b: pool(b, b.conv("x", 8, 8, group=2), 2, 2, 0),
    "something in between": lambda b: pool(b, b.node("Relu", b.conv("x", 8, 8)), 2, 2, 0),
    "windows that end outside": lambda b: pool(b, b.conv("x", 8, 8), 4, 4, 0, ceil_mode=1),
    "as many channels behind": lambda b: b.conv(pool(b, "x"), 8, 8),
    "a maximum": lambda b: b.node("MaxPool", b.conv("x", 8, 8), kernel_shape=[2, 2], strides=[2, 2]),
    "more channels to pool than is saved": lambda b: pool(b, b.conv("x", 8, 1), 2, 2, 0),
}


@pytest.mark.parametrize("name", NEAR)
def test_near_misses_keep_their_order(name, build, rewrite):
    b = build()
    done = rewrite(b.model(NEAR[name](b)), NAME)
    assert (done.fired, done.difference) == (0, 0)


def test_what_is_read_elsewhere_stays(build, rewrite):
    b = build()
    made = b.conv("x", 8, 8)
    done = rewrite(b.model(pool(b, made, 2, 2, 0), b.node("Relu", made)), NAME)
    assert (done.fired, done.difference) == (0, 0)
    assert "is read elsewhere as well" in done.refusals[0]

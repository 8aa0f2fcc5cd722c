"""Weights of few values become a look-up in a codebook, in a smaller file that computes the same."""

import numpy as np
import pytest

from lissome.exporting.optimize import optimize
from lissome.runtimes.table import get_runtime


def of_few_values(weight, count):
    """Round weights to so many values, zero among them."""
    values = np.linspace(-1, 1, count | 1)[:count].astype(np.float32)
    return values[np.abs(weight[..., None] - values).argmin(-1)]


def network(b, count, *, channels=32):
    """Two convolutions that share one weight, and a linear layer."""
    weight = b.constant(of_few_values(b.generator.normal(size=(channels, 8, 3, 3)), count), dtype=np.float32)
    one = b.node("Conv", b.node("Relu", b.node("Conv", "x", weight, pads=[1, 1, 1, 1])), b.weights(8, channels, 1, 1))
    two = b.node("Conv", one, weight, pads=[1, 1, 1, 1])
    pooled = b.node("Flatten", b.node("GlobalAveragePool", two))
    linear = b.constant(of_few_values(b.generator.normal(size=(channels, 16)), count), dtype=np.float32)
    return b.model(b.node("Gemm", pooled, linear))


@pytest.mark.parametrize("count", [2, 16, 256])
def test_a_file_of_few_values_is_small_and_computes_the_same_to_the_bit(build, count):
    model = network(build(), count, channels=64)
    outcome = optimize(model, passes=["store_codebooks"])
    assert outcome.parity.max_rel == 0
    assert outcome.optimized.after["Gather"] == 2
    plain = 4 * 64 * 8
    shared = 64 * 8 * 9 + 64 * 16
    assert len(outcome.model.SerializeToString()) < plain + shared + 2 * 4 * count + 2000
    assert len(model.SerializeToString()) > plain + 4 * shared


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_engines_take_the_small_file(build, engine, tmp_path):
    runtime = get_runtime(engine)
    if not runtime.available():
        pytest.skip(f"{engine} is not installed")
    model = network(build(), 16)
    image = np.random.default_rng(0).normal(size=(1, 8, 6, 6)).astype(np.float32)
    outputs = []
    for name, graph in (("plain", model), ("small", optimize(model, passes=["store_codebooks"]).model)):
        folder = tmp_path / name
        folder.mkdir()
        (tmp_path / f"{name}.onnx").write_bytes(graph.SerializeToString())
        runtime.convert(tmp_path / f"{name}.onnx", folder)
        outputs.append(runtime.load(folder).run(image)[0])
    np.testing.assert_allclose(*outputs, rtol=1e-6, atol=1e-6)


def test_all_readers_of_a_weight_take_the_look_up(build, rewrite):
    done = rewrite(network(build(), 16), "store_codebooks")
    assert done.difference == 0
    assert done.operators["Gather"] == 2
    assert max(np.prod(one.dims) for one in done.after.graph.initializer if one.data_type == 1) == 8 * 32


def test_too_many_values_and_too_few_weights_are_refused(build, rewrite):
    b = build()
    many = b.conv("x", 8, 16, 3)
    few = b.node("Conv", many, b.constant(of_few_values(b.generator.normal(size=(4, 16, 1, 1)), 16), dtype=np.float32))
    done = rewrite(b.model(few), "store_codebooks")
    assert done.fired == 0
    assert done.refusals == [
        "its weight has 1,152 values, and a byte tells 256 apart",
        "a look-up would not be smaller",
    ]


def test_it_runs_only_where_it_is_named(build):
    outcome = optimize(network(build(), 16))
    assert "Gather" not in outcome.optimized.after


def test_other_passes_do_not_undo_it_unless_they_are_asked_to(build):
    small = optimize(network(build(), 16), passes=["store_codebooks"]).model
    assert optimize(small, passes=["store_codebooks", "eliminate_identities"]).optimized.after["Gather"] == 2


def test_beside_passes_that_compute_look_ups_it_has_the_last_word(build):
    model = network(build(), 16)
    alone = optimize(model, passes=["store_codebooks"])
    both = optimize(model, passes=["fold_constants", "store_codebooks"])
    assert both.optimized.after["Gather"] == alone.optimized.after["Gather"] == 2
    assert len(both.model.SerializeToString()) == len(alone.model.SerializeToString())
    fired = {one.name: one.fired for one in both.optimized.passes}
    assert fired == {"fold_constants": 0, "store_codebooks": 2}

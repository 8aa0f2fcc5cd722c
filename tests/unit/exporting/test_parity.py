import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissome.core.errors import ParityError
from lissome.exporting.parity import FLOAT, INTEGER, compare, integer_limits

SCORES = np.array([[1.0, 3.0, 2.0], [4.0, -1.0, 0.0]], np.float32)


def one(reference, output, **settings):
    return compare([reference], [output], engine="demo", **settings).outputs[0]


def test_equal_outputs_agree_wholly():
    parity = compare([SCORES], [SCORES], engine="demo")
    assert parity.require() is parity
    entry = parity.outputs[0]
    assert (entry.max_abs, entry.max_rel, entry.top1_agreement) == (0.0, 0.0, 1.0)
    assert entry.cosine == pytest.approx(1.0)


def test_figures_by_hand():
    entry = one(SCORES, SCORES + np.array([[0, 0, 2], [0, 0, 0]], np.float32))
    assert entry.max_abs == 2.0
    assert entry.max_rel == 0.5
    assert entry.top1_agreement == 0.5
    # (1, 3, 2) · (1, 3, 4) / (|…| |…|) = 18 / sqrt(14 · 26)
    assert entry.cosine == pytest.approx(18 / np.sqrt(14 * 26))


@pytest.mark.parametrize(("share", "fails"), [(0.9e-3, False), (1.1e-3, True)])
def test_the_float_limit_is_a_thousandth_of_the_largest(share, fails):
    parity = compare([SCORES], [SCORES + np.float32(4 * share)], engine="demo")
    assert (parity.failure is not None) == fails
    if fails:
        with pytest.raises(
            ParityError, match=r"demo: computes something else on 2 samples: output differs by 1\.1e-03"
        ):
            parity.require()


def test_one_bad_sample_among_many_is_seen():
    good = np.random.default_rng(0).standard_normal((64, 10)).astype(np.float32)
    bad = good.copy()
    bad[17] = np.roll(bad[17], 1) * 0.9
    assert one(good, bad).cosine < 0.9
    assert compare([good], [bad], engine="demo", limits=INTEGER).failure


def test_a_decision_flipped_by_a_hair_is_excused_a_clear_one_not():
    reference = np.array([[1.00, 0.99, 0.0]], np.float32).repeat(4, 0)
    hair = np.array([[0.99, 1.00, 0.0]], np.float32).repeat(4, 0)
    entry = one(reference, hair, limits=INTEGER)
    assert (entry.top1_agreement, entry.decided_agreement) == (0.0, 1.0)
    assert compare([reference], [hair], engine="demo", limits=INTEGER).failure is None
    clear = np.array([[1.00, 0.90, 0.0]], np.float32).repeat(4, 0)
    flipped = np.array([[0.94, 0.95, 0.0]], np.float32).repeat(4, 0)
    failure = compare([clear], [flipped], engine="demo", limits=INTEGER).failure
    assert failure == "output decides 0.0% alike, less than 90.0%"


def test_integer_rounding_passes_and_a_wrong_filter_does_not():
    generator = np.random.default_rng(0)
    reference = generator.standard_normal((16, 10)).astype(np.float32)
    rounded = reference + generator.normal(0, 0.03, reference.shape).astype(np.float32)
    assert compare([reference], [rounded], engine="demo", limits=INTEGER).failure is None
    assert compare([reference], [rounded], engine="demo", limits=FLOAT).failure
    wrong = reference.copy()
    wrong[:, 3] *= -1
    assert compare([reference], [wrong], engine="demo", limits=INTEGER).failure


@pytest.mark.parametrize("shape", [(2, 4), (3, 3), (2, 3, 2), (3, 2)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ParityError, match=r"demo, output: gives shape .*, the source \(2, 3\)"):
        one(SCORES, np.zeros(shape, np.float32))


def test_lost_dimensions_of_one_are_no_difference():
    assert one(SCORES.reshape(2, 3, 1, 1), SCORES).max_abs == 0.0


def test_another_number_of_outputs_is_refused():
    with pytest.raises(ParityError, match="gives 1 outputs, the source 2"):
        compare([SCORES, SCORES], [SCORES], engine="demo")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_and_blamed_rightly(value):
    broken = SCORES.copy()
    broken[0, 0] = value
    with pytest.raises(ParityError, match="the engine gives 1 of 6 values that are not finite"):
        one(SCORES, broken)
    with pytest.raises(ParityError, match="the source gives 1 of 6"):
        one(broken, broken)


def test_zeros():
    zeros = np.zeros((2, 3), np.float32)
    assert one(zeros, zeros).cosine == 1.0
    assert one(zeros, SCORES).cosine == 0.0
    assert compare([zeros], [SCORES], engine="demo").failure


def test_several_outputs_are_named_and_each_counts():
    parity = compare([SCORES, SCORES], [SCORES, SCORES * 2], engine="demo")
    assert [entry.output for entry in parity.outputs] == ["output1", "output2"]
    assert parity.failure.startswith("output2 differs")
    layers = compare([SCORES, SCORES], [SCORES, SCORES], engine="demo", names=["stem", "head"])
    assert [entry.output for entry in layers.outputs] == ["stem", "head"]


def test_maps_have_no_decision():
    maps = np.random.default_rng(0).random((2, 3, 4, 4), np.float32)
    assert one(maps, maps).top1_agreement is None


def test_it_prints_and_becomes_plain_values():
    parity = compare([SCORES], [SCORES], engine="demo")
    assert str(parity).splitlines()[0] == "demo on 2 samples"
    table = json.loads(json.dumps(parity.to_dict()))
    assert table["outputs"][0]["shape"] == [3]
    assert table["limits"]["max_rel"] == FLOAT.max_rel


@given(st.floats(1e-3, 1e3), st.integers(0, 1000))
def test_scale_does_not_matter(scale, seed):
    generator = np.random.default_rng(seed)
    reference = generator.standard_normal((4, 6)).astype(np.float32)
    output = reference + generator.normal(0, 0.01, reference.shape).astype(np.float32)
    plain, scaled = one(reference, output), one(reference * np.float32(scale), output * np.float32(scale))
    assert scaled.max_rel == pytest.approx(plain.max_rel, rel=1e-3)
    assert scaled.cosine == pytest.approx(plain.cosine, rel=1e-5)
    assert scaled.top1_agreement == plain.top1_agreement


def test_integers_of_maps_may_differ_by_twice_what_rounding_changes_and_scores_by_a_fixed_amount() -> None:
    generator = np.random.default_rng(0)
    maps = generator.normal(size=(4, 3, 5, 5)).astype(np.float32)
    rounded = maps + 0.3 * generator.normal(size=maps.shape).astype(np.float32)
    (change,) = compare([maps], [rounded], engine="rounding", limits=INTEGER).outputs
    limits = integer_limits(compare([maps], [rounded], engine="rounding", limits=INTEGER))
    assert limits.cosine == pytest.approx(1 - 2 * (1 - change.cosine))
    assert limits.max_rel == pytest.approx(2 * change.max_rel)
    # Another error of the same size and independent of the first is allowed, a map upside down is not.
    engine = maps + 0.3 * generator.normal(size=maps.shape).astype(np.float32)
    assert compare([rounded], [engine], engine="demo", limits=limits).failure is None
    turned = engine.copy()
    turned[:, 0] *= -1
    assert compare([rounded], [turned], engine="demo", limits=limits).failure
    rows = maps.reshape(4, -1)
    assert integer_limits(compare([rows], [rounded.reshape(4, -1)], engine="rounding", limits=INTEGER)) == INTEGER
    # What hardly changes keeps the limits that all integers keep.
    assert integer_limits(compare([maps], [maps * 1.001], engine="rounding", limits=INTEGER)) == INTEGER

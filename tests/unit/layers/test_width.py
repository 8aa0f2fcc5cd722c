"""Rounding of channel counts."""

from hypothesis import given
from hypothesis import strategies as st

from lissome.layers.width import scaled_channels


@given(st.integers(1, 2000), st.floats(0.05, 4), st.integers(1, 32))
def test_result_is_a_multiple_near_the_exact_value(channels, width, multiple_of):
    result = scaled_channels(channels, width, multiple_of=multiple_of)
    assert result % multiple_of == 0
    assert result >= multiple_of
    assert result >= 0.9 * channels * width
    assert result <= max(multiple_of, channels * width + multiple_of)


def test_width_one_keeps_multiples():
    assert [scaled_channels(8 * n, 1.0) for n in range(1, 50)] == [8 * n for n in range(1, 50)]

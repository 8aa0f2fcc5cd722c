"""The rows that rules of advice put in the place of others cost what such layers cost."""

from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lissome.advice.shapes import as_convolution
from lissome.profiling.profile import profile

SIDES = st.integers(4, 12)
CHANNELS = st.integers(1, 6)
KERNELS = st.sampled_from([1, 3, 5])


@given(SIDES, CHANNELS, CHANNELS, KERNELS, st.integers(1, 3), CHANNELS, CHANNELS, KERNELS, st.integers(1, 3))
def test_another_convolution_is_counted_as_the_profile_counts_it(
    side, c_in, c_out, kernel, groups, other_in, other_out, other_kernel, other_groups
):
    def row(c_in, c_out, kernel, groups):
        layer = nn.Conv2d(c_in * groups, c_out * groups, kernel, padding=kernel // 2, groups=groups, bias=False)
        return profile(layer, (2, c_in * groups, side, side)).rows[0]

    there = row(other_in, other_out, other_kernel, other_groups)
    made = as_convolution(
        row(c_in, c_out, kernel, groups),
        channels=(other_in * other_groups, other_out * other_groups),
        kernel=(other_kernel, other_kernel),
        groups=other_groups,
    )
    for figure in ("params", "macs", "flops", "bytes_read", "bytes_written", "groups", "kernel"):
        assert getattr(made, figure) == getattr(there, figure), figure

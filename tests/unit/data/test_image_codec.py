import lzma

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lissome.core.errors import BadDataError
from lissome.data.image_codec import pack_images, unpack_images


@given(count=st.integers(1, 4), height=st.integers(1, 7), width=st.integers(1, 7), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_packing_loses_nothing(count: int, height: int, width: int, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)
    assert np.array_equal(unpack_images(pack_images(images), height=height, width=width), images)


@pytest.mark.parametrize("packed", [b"junk", b"", lzma.compress(b"\0" * 13), lzma.compress(b"")])
def test_damaged_bytes_are_refused(packed: bytes) -> None:
    with pytest.raises(BadDataError, match=r"test\.xz"):
        unpack_images(packed, height=2, width=2, where="test.xz")


def test_a_truncated_file_is_refused() -> None:
    packed = pack_images(np.zeros((4, 8, 8, 3), np.uint8))
    with pytest.raises(BadDataError, match="cannot be unpacked"):
        unpack_images(packed[:-20], height=8, width=8)

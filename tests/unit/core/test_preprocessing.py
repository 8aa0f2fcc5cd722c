import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissome.core.errors import BadDataError, SettingError, ShapeError
from lissome.core.preprocessing import Preprocessing

positive = st.floats(1e-3, 1e3)


@st.composite
def preprocessings(draw):
    channels = draw(st.integers(1, 4))
    several = {"min_size": channels, "max_size": channels}
    return Preprocessing(
        channels=channels,
        height=draw(st.integers(1, 5)),
        width=draw(st.integers(1, 5)),
        scale=draw(positive),
        mean=tuple(draw(st.lists(st.floats(-10, 10), **several))),
        std=tuple(draw(st.lists(positive, **several))),
    )


@given(preprocessings())
def test_json_round_trip(preprocessing):
    assert Preprocessing.from_dict(json.loads(json.dumps(preprocessing.to_dict()))) == preprocessing


@given(preprocessings(), st.integers(0, 2**32 - 1))
def test_each_pixel_is_scaled_shifted_and_divided_in_its_channel(preprocessing, seed):
    one = preprocessing
    images = np.random.default_rng(seed).integers(0, 256, (2, one.height, one.width, one.channels), dtype=np.uint8)
    result = one.apply(images)
    assert result.dtype == np.float32
    assert result.shape == (2, *one.shape)
    n, y, x, c = 1, one.height - 1, one.width - 1, one.channels - 1
    expected = (int(images[n, y, x, c]) / one.scale - one.mean[c]) / one.std[c]
    # float32 loses digits where value and mean nearly cancel, so the bound is of the larger of the two.
    bound = 1e-5 * (255 / one.scale + abs(one.mean[c])) / one.std[c]
    assert math.isclose(result[n, c, y, x], expected, rel_tol=1e-5, abs_tol=bound)


def test_defaults_divide_by_255():
    plain = Preprocessing(channels=3, height=1, width=1)
    assert (plain.mean, plain.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert plain.apply(np.full((1, 1, 1, 3), 255, np.uint8)).ravel().tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"height": 0}, "empty side"),
        ({"channels": -1}, "empty side"),
        ({"mean": (0.5,)}, "1 means and 3 deviations"),
        ({"std": (1.0, 1.0)}, "2 deviations"),
        ({"scale": 0.0}, "above 0"),
        ({"std": (1.0, -1.0, 1.0)}, "above 0"),
        ({"scale": math.nan}, "finite"),
        ({"mean": (0.0, math.inf, 0.0)}, "finite"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(SettingError, match=message):
        Preprocessing(**{"channels": 3, "height": 2, "width": 2, **wrong})


@pytest.mark.parametrize("shape", [(2, 2, 3), (1, 3, 2, 2), (1, 2, 2, 1), (1, 4, 2, 3)])
def test_pictures_of_another_shape_are_refused(shape):
    with pytest.raises(ShapeError, match="rows, columns, channels"):
        Preprocessing(channels=3, height=2, width=2).apply(np.zeros(shape, np.uint8))


def test_pixels_that_were_scaled_already_are_refused():
    with pytest.raises(BadDataError, match="float32"):
        Preprocessing(channels=1, height=1, width=1).apply(np.zeros((1, 1, 1, 1), np.float32))

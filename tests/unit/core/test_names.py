import math
import os.path

import pytest

from lissome.core.errors import UnknownNameError
from lissome.core.names import choose, load_attribute

TABLE = {"resnet20": 1, "resnet32": 2, "mobilenet_v2": 3}


def test_a_known_name_gives_its_entry():
    assert choose(TABLE, "mobilenet_v2", "model") == 3


@pytest.mark.parametrize(
    ("name", "meant"), [("resnet2", "'resnet20'"), ("MobileNet_V2", "'mobilenet_v2'"), ("resnet23", "'resnet20' or")]
)
def test_a_near_miss_names_what_was_meant(name, meant):
    with pytest.raises(UnknownNameError, match=r"did you mean .*" + meant):
        choose(TABLE, name, "model")


def test_a_far_miss_lists_what_there_is():
    with pytest.raises(UnknownNameError, match=r"known models: mobilenet_v2, resnet20, resnet32$"):
        choose(TABLE, "zzz", "model")


def test_a_long_list_is_cut():
    table = {f"name{number:02}": number for number in range(20)}
    with pytest.raises(UnknownNameError) as caught:
        choose(table, "§", "thing")
    assert caught.value.fix.endswith("name07, …")


def test_paths_name_attributes_and_modules():
    assert load_attribute("math:pi") is math.pi
    assert load_attribute("os.path") is os.path

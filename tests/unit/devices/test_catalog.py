"""Every device: usable figures, each with a source; the facts the project holds to."""

import json

import pytest

from lissome.core.errors import SettingError, UnknownNameError
from lissome.devices.catalog import DEVICES, find_device
from lissome.devices.device import Device


@pytest.mark.parametrize("name", DEVICES)
def test_every_figure_has_a_source(name):
    device = DEVICES[name]
    given = {*device.peak_flops_per_s, "bytes_per_s", "channel_multiple"} | (
        {"cache_bytes"} if device.cache_bytes else set()
    )
    assert given == set(device.sources)
    assert all(len(source) > 10 for source in device.sources.values())
    assert list(device.cache_bytes) == sorted(device.cache_bytes)
    assert json.loads(json.dumps(device.to_dict()))["name"] == name


@pytest.mark.parametrize(
    ("name", "flops", "bandwidth"),
    [
        ("rtx_3080", 29.1e12, None),
        ("rtx_2080_ti", None, 616e9),
        ("rtx_a4000", None, 448e9),
        ("raspberry_pi_4", 13.5e9, None),
        ("jetson_nano", None, 25.6e9),
    ],
)
def test_facts(name, flops, bandwidth):
    device = find_device(name)
    assert flops in (None, device.peak_flops_per_s["float32"])
    assert bandwidth in (None, device.bytes_per_s)


def test_the_list_has_what_was_asked_for():
    assert {"raspberry_pi_5", "laptop_x86", "phone_a76"} <= set(DEVICES)
    assert {one.kind for one in DEVICES.values()} == {"cpu", "gpu", "npu"}


def test_an_unknown_device_suggests():
    with pytest.raises(UnknownNameError, match="no device is called 'raspbery_pi_4'; did you mean 'raspberry_pi_4'"):
        find_device("raspbery_pi_4")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bytes_per_s": 0}, "no usable figure for bytes_per_s"),
        ({"peak_flops_per_s": {"float33": 1.0}}, "no usable figure for float33"),
        ({"peak_flops_per_s": {}}, "no usable figure"),
        ({"sources": {"float32": "sheet"}}, "bytes_per_s has no source"),
        ({"kind": "abacus"}, "kind is 'abacus'"),
        ({"cache_bytes": (1, 2), "cache_bytes_per_s": (1.0,)}, "caches"),
    ],
)
def test_refusals(change, message):
    sources = {"float32": "sheet", "bytes_per_s": "sheet"}
    figures = {"peak_flops_per_s": {"float32": 1.0}, "bytes_per_s": 1.0, "sources": sources}
    with pytest.raises(SettingError, match=message):
        Device(**({"name": "a", "title": "A", "kind": "cpu"} | figures | change))

"""DEVICES: every device by name. The figures live in one TOML file a device."""

import tomllib
from collections.abc import Mapping
from importlib import resources

from lissome.core.names import choose
from lissome.devices.device import Device

THIS = "this"
"""The name of the machine at hand, which is measured and has no file."""


def _read() -> dict[str, Device]:
    files = sorted((one for one in resources.files(__package__).iterdir() if one.name.endswith(".toml")), key=str)
    devices = {}
    for file in files:
        name = file.name.removesuffix(".toml")
        table = tomllib.loads(file.read_text("utf-8"))
        lists = {key: tuple(table.get(key, ())) for key in ("cache_bytes", "cache_bytes_per_s", "features")}
        devices[name] = Device(**{"name": name, **table, **lists})
    return devices


DEVICES: Mapping[str, Device] = _read()


def find_device(name: str) -> Device:
    """Return a device by its name.

    Raises:
        UnknownNameError: There is no such device; says what was probably meant.

    Example:
        >>> find_device("raspberry_pi_4").peak_flops_per_s["float32"]
        13500000000.0
    """
    return choose(DEVICES, name, "device")

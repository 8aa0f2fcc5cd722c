"""Devices by name, with the machine at hand among them."""

from lissome.devices.catalog import THIS, find_device
from lissome.devices.device import Device
from lissome.profiling.this_device import measure_this_device


def device_of(device: Device | str) -> Device:
    """Return a device; "this" is measured, once a process.

    Raises:
        UnknownNameError: There is no such device.

    Example:
        >>> device_of("raspberry_pi_5").kind
        'cpu'
    """
    if isinstance(device, Device):
        return device
    return measure_this_device() if device == THIS else find_device(device)

"""Devices by name, with the machine at hand among them."""

from lissome.devices.catalog import find_device
from lissome.devices.device import Device


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
    return find_device(device)

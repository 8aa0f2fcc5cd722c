"""Number formats: how a real number is written in a few bits."""

from lissome.compression.quantization.formats.floats import BFloat16, Float16
from lissome.compression.quantization.formats.format import Codes, Format
from lissome.compression.quantization.formats.linear import Int8, Linear, PowerOfTwo, Uniform
from lissome.compression.quantization.formats.log2 import Log2
from lissome.compression.quantization.formats.signs import Binary, Ternary

__all__ = [
    "BFloat16",
    "Binary",
    "Codes",
    "Float16",
    "Format",
    "Int8",
    "Linear",
    "Log2",
    "PowerOfTwo",
    "Ternary",
    "Uniform",
]

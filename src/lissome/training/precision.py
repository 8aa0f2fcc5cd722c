"""Which arithmetic training uses."""

from typing import Literal

import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.fake_quantize import is_quantized

Precision = Literal["auto", "float32", "bfloat16"]


def has_fast_bfloat16() -> bool:
    """Tell whether this CPU multiplies bfloat16 matrices in hardware (AMX or AVX512-BF16); elsewhere it is slower."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def resolve_precision(precision: Precision, model: nn.Module) -> torch.dtype:
    """Return the type that the layers compute in.

    "auto" is bfloat16 where the CPU gains from it, and float32 elsewhere and for quantized networks, since bfloat16's
    8 bits of precision would blur the rounding to 8-bit integers.

    Raises:
        SettingError: bfloat16 is asked for a quantized network.

    Example:
        >>> resolve_precision("float32", nn.ReLU())
        torch.float32
    """
    quantized = is_quantized(model)
    if precision == "bfloat16":
        if quantized:
            raise SettingError(
                "bfloat16 blurs the rounding of a quantized network", where="Train", fix='set precision="float32"'
            )
        return torch.bfloat16
    return torch.bfloat16 if precision == "auto" and not quantized and has_fast_bfloat16() else torch.float32

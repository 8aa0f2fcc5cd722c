"""In which numbers a network may be written: the last choice of a search."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lissome.compression.clustering.cluster_weights import ClusterWeights
from lissome.compression.quantization.ada_round import AdaRound
from lissome.compression.quantization.correct_bias import CorrectBias
from lissome.compression.quantization.equalize_layers import EqualizeLayers
from lissome.compression.quantization.quantize import Quantize
from lissome.compression.quantization.quantize_weights import QuantizeWeights
from lissome.compression.quantization.quantize_within import QuantizeWithin
from lissome.core.step import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """One way to write numbers.

    Args:
        steps: What makes it, after the recovery.
        integers: Whether an engine computes in integers then.
    """

    steps: tuple[Step, ...] = ()
    integers: bool = False


_WITHIN: Mapping[str, Any] = {"validation_images": 1000, "recover": (CorrectBias(),)}

NUMBERS: Mapping[str, Numbers] = {
    "float32": Numbers(),
    "int8": Numbers(steps=(Quantize(), CorrectBias()), integers=True),
    "int8 equalized": Numbers(steps=(EqualizeLayers(), Quantize(), CorrectBias()), integers=True),
    "int8 rounded": Numbers(steps=(Quantize(), AdaRound(steps=0)), integers=True),
    "int8 where it pays": Numbers(steps=(QuantizeWithin(drop=0.003, **_WITHIN),), integers=True),
    "mixed bits": Numbers(steps=(QuantizeWithin(drop=0.005, bits=(4, 6), **_WITHIN),), integers=True),
    "weights of 6 bits": Numbers(steps=(QuantizeWeights(bits=6),)),
    "weights of 4 bits": Numbers(steps=(QuantizeWeights(bits=4),)),
    "16 shared values": Numbers(steps=(ClusterWeights(bits=4),)),
    "32 shared values": Numbers(steps=(ClusterWeights(bits=5),)),
}
"""Ways to write numbers. Those without integers make files small and nothing faster."""

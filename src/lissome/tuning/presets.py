"""Limits, engines and spaces that are good for a kind of target."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lissome.tuning.trials.limit import Limit
from lissome.tuning.trials.moves import default_moves
from lissome.tuning.trials.space import SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What a search takes where the user says nothing else.

    Args:
        on: Engines.
        limit: What must be kept, and what is to be best.
        space: What may be chosen.
    """

    on: tuple[str, ...]
    limit: Limit = field(default_factory=Limit)
    space: SearchSpace = field(default_factory=SearchSpace)


PRESETS: Mapping[str, Preset] = {
    "mobile": Preset(on=("ncnn",)),
    "mcu": Preset(
        on=("litert",),
        limit=Limit(max_drop=0.02, goal="size"),
        space=SearchSpace(
            moves=default_moves(multiple_of=4, keeps=(0.7, 0.5, 0.35, 0.2)),
            numbers=("int8", "int8 equalized", "float32"),
            objective="macs",
        ),
    ),
    "server": Preset(
        on=("onnxruntime", "openvino"),
        limit=Limit(max_drop=0.005),
        space=SearchSpace(moves=default_moves(multiple_of=16)),
    ),
    "smallest-file": Preset(
        on=("onnxruntime",),
        limit=Limit(max_drop=0.01, goal="size"),
        space=SearchSpace(
            numbers=("float32", "int8", "mixed bits", "weights of 4 bits", "16 shared values", "32 shared values"),
            objective="macs",
        ),
    ),
}
"""Presets by name. A phone's CPU runs ncnn; a microcontroller reads LiteRT files in int8, and its
flash is what is short; a server has wide vectors, hence widths in multiples of 16."""

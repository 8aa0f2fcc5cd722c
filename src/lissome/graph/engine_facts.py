"""ENGINE_FACTS: what the passes must know of the engine that will run the graph, as measured or read off."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lissome.core.names import choose


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What an engine can and what pays on it.

    Args:
        name: The engine.
        block: Channels of one block of its internal layout; 1 for plain NCHW. A concatenation inside of the layout
            needs parts of whole blocks.
        align: The channels of a convolution's input must be a multiple of it to stay in that layout.
        split_cost: Why splitting a result costs more than one convolution instead of several gains; "" where it
            does not.
        pair_cost: Why convolutions by pairs of rows gain nothing; "" where they gain.
        part_cost: Why working on parts that are no whole blocks, or whose makers must be divided as well, costs more
            than joining them; "" where it does not.
        off: Passes that cannot pay there, with the measured reason.
    """

    name: str
    block: int = 1
    align: int = 1
    split_cost: str = "an engine may copy what is split"
    pair_cost: str = "an engine may have quick convolutions of its own"
    part_cost: str = ""
    off: Mapping[str, str] = field(default_factory=dict)


ANY = EngineFacts(name="any engine")
"""Where the engine is not known: only what pays everywhere."""

ENGINE_FACTS: Mapping[str, EngineFacts] = {
    "onnxruntime": EngineFacts(
        name="onnxruntime",
        block=16,
        align=4,
        split_cost="it leaves its blocked layout for that: GoogLeNet 0.96x, Inception v3 0.98x",
        pair_cost="",
    ),
    "openvino": EngineFacts(name="openvino", block=16, split_cost="", pair_cost="", part_cost="GhostNet 0.97x"),
}


def facts_of(engine: str | None) -> EngineFacts:
    """Return what is known of an engine; of one that has no entry, nothing.

    Raises:
        UnknownNameError: No such engine.

    Example:
        >>> facts_of("onnxruntime").align
        4
    """
    return ANY if engine is None else choose(ENGINE_FACTS, engine, "engine")

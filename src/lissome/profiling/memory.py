"""How much memory activations take at most, by their lives in order of execution.

An activation lives from the call that makes it to the last call that reads it; what the network returns lives to the
end, and an input until it is last read. Views take nothing. Weights are not counted: they are there all the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lissome.profiling.fusion import fused_calls
from lissome.profiling.handlers import is_elementwise
from lissome.profiling.walk import Walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The greatest memory of activations, and where it is reached.

    Args:
        peak_bytes: The greatest number of bytes that live at once.
        layer: The call during which they do; empty if the network makes none.
        timeline: For each call that makes an activation: its path, and the bytes that live during it.
    """

    peak_bytes: int
    layer: str
    timeline: tuple[tuple[str, int], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the peak as plain values."""
        return {"peak_bytes": self.peak_bytes, "layer": self.layer, "timeline": [list(one) for one in self.timeline]}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakMemory:
    """The peak of activations as float32, for three ways of running the network.

    Args:
        separate: Every call makes an activation of its own.
        in_place: An element-wise operator overwrites an input that nobody reads later; inputs of the network are kept.
        folded: Batch normalisation is folded into the layer before it and an activation function is done in the same
            go, as fusing engines do; what remains is as `in_place`.
    """

    separate: Peak
    in_place: Peak
    folded: Peak

    def to_dict(self) -> dict[str, Any]:
        """Return the three as plain values."""
        return {name: getattr(self, name).to_dict() for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class _Step:
    path: str
    operator: str
    reads: tuple[int, ...]
    makes: int
    size: int


def peak_memory(walked: Walk, *, number_bytes: int = 4) -> PeakMemory:
    """Return the peak memory of the activations.

    Args:
        walked: The calls.
        number_bytes: Bytes of one number.
    """
    steps = [step for _, step in _steps(walked, number_bytes)]
    # A view holds nothing of its own, but what it reads must live until then; its own readers name the same activation.
    given = {home: size * number_bytes for home, size in walked.given.items()}
    return PeakMemory(
        separate=_peak(steps, given, walked.returned, in_place=False),
        in_place=_peak(steps, given, walked.returned, in_place=True),
        folded=_peak(_folded(walked, number_bytes), given, walked.returned, in_place=True),
    )


def _steps(walked: Walk, number_bytes: int) -> list[tuple[int, _Step]]:
    """Return the calls that make an activation, each with its place."""
    return [
        (place, _Step(one.path, one.operator, one.reads, one.makes, one.made * number_bytes))
        for place, one in enumerate(walked.calls)
        if one.makes is not None
    ]


def _peak(steps: Sequence[_Step], given: dict[int, int], returned: frozenset[int], *, in_place: bool) -> Peak:
    last = dict.fromkeys(given, -1)
    for place, step in enumerate(steps):
        last[step.makes] = place
        last.update(dict.fromkeys(step.reads, place))
    last.update(dict.fromkeys(returned, len(steps)))
    home: dict[int, int] = {}  # activation -> the buffer it is in, named by the first activation there
    sizes = dict(given)
    live = set(given)
    timeline = []
    ends: dict[int, int] = dict(last)
    for place, step in enumerate(steps):
        buffer = _overwritten(step, place, last, sizes, home, given) if in_place else None
        home[step.makes] = step.makes if buffer is None else buffer
        target = home[step.makes]
        sizes[target] = max(step.size, sizes.get(target, 0))
        ends[target] = last[step.makes]
        live.add(target)
        timeline.append((step.path, sum(sizes[one] for one in live)))
        live = {one for one in live if ends[one] > place}
    layer, peak = max(timeline, key=lambda one: one[1], default=("", sum(given.values())))
    return Peak(peak_bytes=peak, layer=layer, timeline=tuple(timeline))


def _overwritten(
    step: _Step, place: int, last: dict[int, int], sizes: dict[int, int], home: dict[int, int], given: dict[int, int]
) -> int | None:
    """Return the buffer that an element-wise step may overwrite: of its own size, and read by nobody later."""
    if not is_elementwise(step.operator):
        return None
    free = (one for one in step.reads if last[one] == place and one not in given)
    return next((home[one] for one in free if sizes[home[one]] == step.size), None)


def _folded(walked: Walk, number_bytes: int) -> list[_Step]:
    """Let each multiplying layer make at once what normalisation and activation make of its result."""
    fused = fused_calls(walked)
    last = {maker: place for place, maker in fused.items()}  # the last call that is done with it
    made = {place: walked.calls[last.get(place, place)].makes for place in range(len(walked.calls))}
    return [
        replace(step, makes=makes)
        for place, step in _steps(walked, number_bytes)
        if place not in fused and (makes := made[place]) is not None
    ]

"""What an engine does in one go: a convolution or fully connected layer with what follows it entry by entry."""

from collections import Counter

from lissome.profiling.handlers import is_elementwise, is_multiplying
from lissome.profiling.walk import Walk


def fused_calls(walked: Walk) -> dict[int, int]:
    """Return the calls that a fusing engine does together with an earlier one.

    Batch normalisation is folded into the weights of the layer before it, and an activation function is applied to
    each number before it is written, if nobody else reads what lies between.

    Args:
        walked: The calls.

    Returns:
        For the place of each such call, the place of the layer that does it as well.
    """
    readers = Counter(one for call in walked.calls for one in set(call.reads))
    makers: dict[int, int] = {}
    fused: dict[int, int] = {}
    for place, call in enumerate(walked.calls):
        if call.makes is None:
            continue
        if is_multiplying(call.operator):
            makers[call.makes] = place
        elif is_elementwise(call.operator) and len(call.reads) == 1:
            (source,) = call.reads
            if source in makers and readers[source] == 1 and source not in walked.returned:
                fused[place] = makers[call.makes] = makers[source]
    return fused

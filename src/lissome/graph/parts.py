"""Cut a tensor along its channels, in the form each opset wants."""

import numpy as np

from lissome.graph.graph import Graph
from lissome.graph.node import Node


def split_channels(graph: Graph, tensor: str, sizes: tuple[int, ...]) -> list[str]:
    """Add a Split along axis 1 and return the parts; one part is the tensor itself.

    Args:
        graph: The graph, which is changed.
        tensor: What to cut.
        sizes: Channels of each part.
    """
    if len(sizes) == 1:
        return [tensor]
    names = [graph.fresh("part") for _ in sizes]
    node = Node("Split", [tensor], names, {"axis": 1}, name=names[0])
    if graph.opset < 13:
        node.attributes["split"] = list(sizes)
    else:
        node.inputs.append(graph.add_constant(np.asarray(sizes, dtype=np.int64), "sizes"))
    graph.add(node)
    return names

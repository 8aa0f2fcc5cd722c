"""A traced network with quantizers where an integer engine rounds."""

from collections.abc import Collection, Mapping

from torch import fx, nn

from lissome.compression.quantization.calibrators import Calibrator
from lissome.compression.quantization.formats import Linear
from lissome.compression.quantization.observe import Observed
from lissome.compression.quantization.placement import is_computing, places
from lissome.core.outcome import Note
from lissome.layers.fake_quantize import with_rounded_weights


def computing_paths(graph: fx.GraphModule) -> list[str]:
    """Return the paths of the layers whose weights can be rounded, in the order they are called."""
    return list(dict.fromkeys(str(node.target) for node in graph.graph.nodes if is_computing(graph, node)))


def round_weights(graph: fx.GraphModule, formats: Mapping[str, Linear]) -> list[Note]:
    """Replace layers, in place, by ones that round their weights.

    Args:
        graph: A traced network.
        formats: The format of each layer that rounds, by its path.
    """
    notes = []
    for path, one in formats.items():
        layer = graph.get_submodule(path)
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        owner, _, name = path.rpartition(".")
        rounded = with_rounded_weights(layer, one.weight_scale(layer.weight), one.levels)
        setattr(graph.get_submodule(owner), name, rounded)
        notes.append(Note(path, one.describe()))
    return notes


def insert_quantizers(
    graph: fx.GraphModule, observed: Observed, activations: Linear, calibrator: Calibrator, floats: Collection[str]
) -> int:
    """Put a quantizer behind each result that is rounded, in place; results that share a range share its numbers.

    Args:
        graph: The traced network that was observed, or a copy.
        observed: What was seen of it.
        activations: The format.
        calibrator: How a range is chosen.
        floats: Paths of layers that stay float.

    Returns:
        How many quantizers there are.
    """
    chosen: dict[int, tuple[float, float]] = {}
    nodes = list(places(graph, floats))
    for number, node in enumerate(nodes):
        seen = observed.ranges[node.name]
        if id(seen) not in chosen:
            chosen[id(seen)] = calibrator.choose(seen, 2**activations.bits)
        name = f"quantizer_{number}"
        graph.add_module(name, activations.quantizer(*chosen[id(seen)]))
        with graph.graph.inserting_after(node):
            rounded = graph.graph.call_module(name, (node,))
        for user in [one for one in node.users if one is not rounded]:
            user.replace_input_with(node, rounded)
    graph.graph.lint()
    graph.recompile()
    return len(nodes)

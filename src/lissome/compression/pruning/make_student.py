"""A narrower or shallower network of the teacher's own family, to be taught by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import fx, nn

from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import L1
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import trace
from lissome.core.outcome import Note
from lissome.core.seeded import seeded
from lissome.core.step import Change, Step
from lissome.profiling.profile import profile
from lissome.tracing.blocks import Block, find_blocks, without_blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeStudent(Step):
    """Make a student of any network that can be traced: fewer channels, fewer blocks, the same input and output.

    Put a `Train` with ``teacher="original"`` behind it. Blocks go evenly over the depth of the network; what changes
    the shape of its input is no block and stays.

    Args:
        width: Share of the channels of every layer that stays, in (0, 1].
        depth: Share of the blocks that stays, in (0, 1].
        weights: "inherited": those of the teacher's largest channels; "fresh": drawn anew from the seed.
        multiple_of: Channels are multiples of this, ≥ 1. Default 8.

    Measurements:
        blocks_before, blocks, params_before, params, macs_before, macs.

    Raises:
        SettingError: A value is out of its range, width and depth are both 1, or there is no block to remove.

    Source:
        Hinton, Vinyals and Dean 2015, arXiv:1503.02531; thin and deep students: Romero et al. 2015, arXiv:1412.6550.

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Conv2d(3, 32, 3), nn.Conv2d(32, 4, 1))
        >>> context = Context(example=torch.zeros(1, 3, 8, 8))
        >>> MakeStudent(width=0.25).apply(network, context).model[0]
        Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
    """

    width: float = 1.0
    depth: float = 1.0
    weights: Literal["fresh", "inherited"] = "inherited"
    multiple_of: int = 8

    def __post_init__(self) -> None:
        for name in ("width", "depth"):
            if not 0 < getattr(self, name) <= 1:
                raise SettingError(
                    f"{name} is {getattr(self, name)}", where="MakeStudent", fix="choose a value in (0, 1]"
                )
        if self.width == self.depth == 1:
            raise SettingError("width and depth are both 1", where="MakeStudent", fix="lower one of them")
        if self.weights not in ("fresh", "inherited"):
            raise SettingError(f"weights is {self.weights!r}", where="MakeStudent", fix='choose "fresh" or "inherited"')
        if self.multiple_of < 1:
            raise SettingError(f"multiple_of is {self.multiple_of}", where="MakeStudent", fix="choose at least 1")

    def requires(self) -> tuple[Need, ...]:
        """An example input."""
        return (Need.EXAMPLE,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Remove blocks, then channels, then what the teacher knew if it is to be forgotten."""
        inputs = context.example_inputs()
        before = profile(model, inputs)
        graph = trace(model, inputs)
        graph.graph.eliminate_dead_code()
        blocks = _outermost(find_blocks(graph, inputs)[0])
        notes = []
        gone: list[Block] = []
        if self.depth < 1:
            gone = self._superfluous(blocks)
            model = without_blocks(graph, gone)
            notes = [Note(one.name, f"removed, {len(one.layers)} layers") for one in gone]
        if self.width < 1:
            pruned = PruneChannels(keep=self.width, score=L1(), multiple_of=self.multiple_of).change(model, context)
            model, notes = pruned.model, [*notes, *pruned.notes]
        if self.weights == "fresh":
            with seeded(context.generator("MakeStudent").initial_seed()):
                _forget(model)
            notes.append(Note("", "weights drawn anew"))
        after = profile(model, inputs)
        figures = {
            "blocks_before": len(blocks),
            "blocks": len(blocks) - len(gone),
            **before.change_to(after),
        }
        return Change(model, tuple(notes), figures)

    def _superfluous(self, blocks: Sequence[Block]) -> list[Block]:
        """Return the blocks that go, evenly over the network."""
        count = round((1 - self.depth) * len(blocks))
        if count == 0:
            raise SettingError(
                f"depth {self.depth} of {len(blocks)} blocks removes none",
                where="MakeStudent",
                fix="lower depth, or width instead",
            )
        return [blocks[int((place + 0.5) * len(blocks) / count)] for place in range(count)]


def _outermost(blocks: Sequence[Block]) -> list[Block]:
    return [one for one in blocks if not any(one.nodes < other.nodes for other in blocks)]


def _forget(model: nn.Module) -> None:
    """Draw the weights of every layer anew; parameters that no layer of torch's owns stay."""
    for layer in model.modules():
        if isinstance(layer, fx.GraphModule):
            continue
        reset = getattr(layer, "reset_parameters", None)
        if callable(reset):
            reset()

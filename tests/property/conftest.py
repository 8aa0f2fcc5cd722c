"""The proof of tracing: channels that are zero can go and nobody notices."""

import copy
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from lissome.tracing.groups import groups_of
from lissome.tracing.propagate import propagate
from lissome.tracing.surgery import keep_units, kept_ids


@dataclass
class Cut:
    """A network before and after its zero channels were cut."""

    before: nn.Module
    after: nn.Module
    inputs: tuple
    groups: list
    whole: list

    def difference(self, inputs):
        with torch.no_grad():
            first, second = self.before(*inputs), self.after(*inputs)
        first, second = (one if isinstance(one, tuple | list) else (one,) for one in (first, second))
        assert [one.shape for one in first] == [one.shape for one in second]
        return max(float((one - other).abs().max()) for one, other in zip(first, second, strict=True))

    @property
    def worst(self):
        """The greatest difference of the outputs, on the batch that was traced and on another."""
        return max(self.difference(self.inputs), self.difference([torch.cat([2 * one, one]) for one in self.inputs]))

    @property
    def layers(self):
        return {layer for group in self.groups for layer in group.layers("produces")}

    @property
    def reasons(self):
        return {one.reason for one in self.whole}


def cut_zeros(model, *inputs, seed=0, dtype=torch.float64):
    """Make a random part of each group's units zero, by the weights that make and scale them, and cut exactly those."""
    inputs = tuple(one.to(dtype) for one in inputs)
    model = copy.deepcopy(model).to(dtype).eval()
    generator = torch.Generator().manual_seed(seed)
    channels = propagate(model, inputs)
    groups, whole = groups_of(channels)
    keep = {}
    for number, group in enumerate(groups):
        mask = torch.rand(len(group), generator=generator) < 0.5
        first, second = torch.randperm(len(group), generator=generator)[:2]
        mask[first], mask[second] = True, False
        keep[number] = mask
        for member in group.members:
            if member.role != "consumes" and member.parameter not in ("running_var", "weight_scale"):
                tensor = getattr(model.get_submodule(member.layer), member.parameter).data
                for block, part in enumerate(tensor.chunk(member.groups)):
                    size = part.shape[member.axis]
                    numbers = member.indices[~mask].flatten() - block * size
                    part.index_fill_(member.axis, numbers[(numbers >= 0) & (numbers < size)], 0)
    before = copy.deepcopy(model)
    return Cut(before, keep_units(model, channels, kept_ids(channels, keep, groups)), inputs, groups, whole)


@pytest.fixture(scope="session")
def zeros_cut():
    return cut_zeros

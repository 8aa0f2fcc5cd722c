"""Random small networks of the blocks that CNNs are made of: channels of zeros are cut and nobody notices."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """Takes `channels`, a multiple of 4, and gives `out_channels`, a multiple of 4; `width` is a multiple of 4 too."""

    def __init__(self, channels, width):
        super().__init__()
        self.out_channels = channels
        self.build(channels, width)


def conv_norm(channels, out_channels, kernel=3, activation=nn.ReLU, **settings):
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, kernel, padding=kernel // 2, bias=False, **settings),
        nn.BatchNorm2d(out_channels),
        activation(),
    )


class Plain(Block):
    def build(self, channels, width):
        self.layers = conv_norm(channels, width)
        self.out_channels = width

    def forward(self, x):
        return self.layers(x)


class Residual(Block):
    def build(self, channels, width):
        self.layers = nn.Sequential(conv_norm(channels, width), conv_norm(width, channels, activation=nn.Identity))

    def forward(self, x):
        return functional.relu(x + self.layers(x))


class PreActivation(Block):
    def build(self, channels, width):
        self.layers = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x):
        x += self.layers(x)
        return x


class Projection(Block):
    def build(self, channels, width):
        self.layers = conv_norm(channels, width, stride=2, activation=nn.Identity)
        self.shortcut = conv_norm(channels, width, 1, stride=2, activation=nn.Identity)
        self.out_channels = width

    def forward(self, x):
        return functional.silu(self.layers(x) + self.shortcut(x))


class PaddedShortcut(Block):
    def build(self, channels, width):
        self.margin = width // 2
        self.out_channels = channels + 2 * self.margin
        self.layers = conv_norm(channels, self.out_channels, stride=2)

    def forward(self, x):
        return self.layers(x) + functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.margin, self.margin))


class ZerosShortcut(Block):
    def build(self, channels, width):
        self.out_channels = channels + width
        self.layers = conv_norm(channels, self.out_channels)

    def forward(self, x):
        zeros = x.new_zeros(x.size(0), self.out_channels - x.size(1), x.size(2), x.size(3))
        return self.layers(x) + torch.cat([x, zeros], 1)


class Branches(Block):
    def build(self, channels, width):
        self.left, self.right = conv_norm(channels, width, 1), conv_norm(channels, 4)
        self.out_channels = width + 4

    def forward(self, x):
        return torch.cat([self.left(x), self.right(x)], 1)


class Dense(Block):
    def build(self, channels, width):
        self.first, self.second = conv_norm(channels, 4), conv_norm(channels + 4, width)
        self.out_channels = channels + 4 + width

    def forward(self, x):
        x = torch.cat([x, self.first(x)], 1)
        return torch.cat([x, self.second(x)], 1)


class SplitShuffle(Block):
    def build(self, channels, width):
        self.half = channels // 2
        self.layers = nn.Sequential(conv_norm(self.half, self.half, 1), Depthwise(self.half, 4))

    def forward(self, x):
        left, right = x.chunk(2, 1)[0], x.chunk(2, 1)[1]
        x = torch.cat([left, self.layers(right)], 1)
        n, c, h, w = x.size(0), x.size(1), x.size(2), x.size(3)
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class UnequalSplit(Block):
    def build(self, channels, width):
        self.parts = [channels - 3, 3]
        self.first, self.second = conv_norm(channels - 3, width), conv_norm(3, width)
        self.out_channels = width

    def forward(self, x):
        left, right = x.split(self.parts, dim=1)[0], x.split(self.parts, dim=1)[1]
        return self.first(left) + self.second(right)


class Slices(Block):
    def build(self, channels, width):
        self.layers = conv_norm(channels // 2, channels // 2)

    def forward(self, x):
        half = x.shape[1] // 2
        return torch.cat([self.layers(x[:, :half]), x[:, half:]], dim=1)


class Shuffle(Block):
    def build(self, channels, width):
        self.layers = nn.Sequential(
            conv_norm(channels, width, 1, groups=2), nn.ChannelShuffle(2), conv_norm(width, width, 1, groups=4)
        )
        self.out_channels = width

    def forward(self, x):
        return self.layers(x)


class Depthwise(Block):
    def build(self, channels, width):
        self.layers = conv_norm(channels, 2 * channels, groups=channels, activation=nn.Hardswish)
        self.out_channels = 2 * channels
        self.back = conv_norm(2 * channels, channels, 1)
        self.out_channels = channels

    def forward(self, x):
        return self.back(self.layers(x))


class Multiplied(Block):
    def build(self, channels, width):
        self.layers = conv_norm(channels, 2 * channels, groups=channels)
        self.out_channels = 2 * channels

    def forward(self, x):
        return self.layers(x)


class Gate(Block):
    def build(self, channels, width):
        self.squeeze, self.excite = nn.Linear(channels, width), nn.Linear(width, channels)

    def forward(self, x):
        gate = self.excite(functional.relu(self.squeeze(x.mean((2, 3)))))
        return x * torch.sigmoid(gate)[:, :, None, None]


class ConvGate(Block):
    def build(self, channels, width):
        self.layers = nn.Sequential(
            *(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, width, 1), nn.ReLU()),
            *(nn.Conv2d(width, channels, 1), nn.Hardsigmoid()),
        )

    def forward(self, x):
        return self.layers(x).expand_as(x) * x


class LayerScale(Block):
    def build(self, channels, width):
        self.scale = nn.Parameter(torch.rand(channels, 1, 1))
        self.offset = nn.Parameter(torch.rand(channels))
        self.register_buffer("factor", torch.rand(channels, 1, 1))
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x * (1 + self.offset.view(1, -1, 1, 1)) + self.scale * self.conv(x) * self.factor


class Shared(Block):
    def build(self, channels, width):
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(functional.relu(self.conv(x)))


class TiedWeights(Block):
    def build(self, channels, width):
        self.first, self.second = nn.Conv2d(channels, width, 1), nn.Conv2d(channels, width, 1)
        self.second.weight = self.first.weight
        self.out_channels = 2 * width

    def forward(self, x):
        return torch.cat([self.first(x), self.second(functional.max_pool2d(x, 3, 1, 1))], 1)


class Upwards(Block):
    def build(self, channels, width):
        self.layers = nn.Sequential(nn.ConvTranspose2d(channels, width, 2, stride=2), nn.PReLU(width))
        self.out_channels = width

    def forward(self, x):
        return functional.max_pool2d(self.layers(x), 2)


class PixelShuffled(Block):
    def build(self, channels, width):
        self.before, self.after = nn.Conv2d(channels, 4 * width, 1), nn.Conv2d(4 * width, width, 1)
        self.out_channels = width

    def forward(self, x):
        return self.after(functional.pixel_unshuffle(functional.relu(functional.pixel_shuffle(self.before(x), 2)), 2))


class PixelShuffledByHand(Block):
    def build(self, channels, width):
        self.width, self.before, self.out_channels = width, nn.Conv2d(channels, 4 * width, 1), width

    def forward(self, x):
        x = self.before(x)
        n, h, w = x.size(0), x.size(2), x.size(3)
        x = x.view(n, self.width, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, self.width, 2 * h, 2 * w)
        return functional.avg_pool2d(x, 2)


class Instance(Block):
    def build(self, channels, width):
        self.layers = nn.Sequential(nn.InstanceNorm2d(channels, affine=True), nn.GroupNorm(channels, channels))

    def forward(self, x):
        return self.layers(x)


class Resized(Block):
    def build(self, channels, width):
        self.conv = nn.Conv2d(channels, width, 3)
        self.out_channels = width

    def forward(self, x):
        y = self.conv(functional.pad(x, (1, 1, 1, 1), mode="replicate"))
        return functional.interpolate(functional.avg_pool2d(y, 2, ceil_mode=True), size=x.shape[2:], mode="nearest")


class Attention(Block):
    def build(self, channels, width):
        self.conv = nn.Conv2d(2, 1, 3, padding=1)
        self.maker, self.out_channels = nn.Conv2d(channels, width, 1), width

    def forward(self, x):
        both = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return self.maker(x * torch.sigmoid(self.conv(both)))


class Regrouped(Block):
    def build(self, channels, width):
        self.maker, self.out_channels = conv_norm(channels, width), width
        self.layers = nn.Sequential(nn.Flatten(2), nn.Unflatten(1, (4, -1)), nn.Flatten(1, 2))

    def forward(self, x):
        x = self.maker(x)
        return self.layers(x).reshape(x.shape)


class SelectiveKernel(Block):
    def build(self, channels, width):
        self.small, self.large = conv_norm(channels, width, 1), conv_norm(channels, width, 3)
        self.gate = nn.Conv2d(width, 2 * width, 1)
        self.width = self.out_channels = width

    def forward(self, x):
        both = torch.stack([self.small(x), self.large(x)], 1)
        gate = self.gate(both.sum(1).mean((2, 3), keepdim=True)).view(-1, 2, self.width, 1, 1)
        return (both * torch.sigmoid(gate)).sum(1)


BLOCKS = {
    block.__name__: block
    for block in (
        *(Plain, Residual, PreActivation, Projection, PaddedShortcut, ZerosShortcut, Branches, Dense, SplitShuffle),
        *(UnequalSplit, Slices, Shuffle, Depthwise, Multiplied, Gate, ConvGate, LayerScale, Shared, TiedWeights),
        *(Upwards, PixelShuffled, PixelShuffledByHand, Instance, Resized, Attention, Regrouped, SelectiveKernel),
    )
}


class Network(nn.Module):
    def __init__(self, blocks, head):
        super().__init__()
        self.stem = conv_norm(3, 8)
        layers, channels = [], 8
        for name, width in blocks:
            layers.append(BLOCKS[name](channels, width))
            channels = layers[-1].out_channels
        self.blocks = nn.Sequential(*layers)
        self.head = head
        if head == "flatten":
            with torch.no_grad():
                channels = self.blocks(self.stem(torch.randn(2, 3, 8, 8))).flatten(1).shape[1]
        self.last = nn.Conv2d(channels, 3, 1) if head == "map" else nn.Linear(channels, 3)
        for norm in self.modules():
            for name in ("running_mean", "running_var", "weight", "bias"):
                if hasattr(norm, "eps") and getattr(norm, name, None) is not None:
                    nn.init.uniform_(getattr(norm, name), 0.5, 1.5)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        if self.head == "map":
            return self.last(x)
        return self.last(x.flatten(1) if self.head == "flatten" else x.mean((2, 3)))


HEADS = ("pool", "flatten", "map")


def unnoticed(network, zeros_cut, seed):
    cut = zeros_cut(network, torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed)), seed=seed)
    with torch.no_grad():
        size = float(cut.before(cut.inputs[0]).abs().max())
    assert cut.worst <= 1e-10 * max(size, 1)
    return cut


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", BLOCKS)
def test_one_block(name, head, zeros_cut):
    cut = unnoticed(Network([(name, 8)], head), zeros_cut, seed=0)
    before, after = (sum(one.numel() for one in network.parameters()) for network in (cut.before, cut.after))
    assert after < before


@given(
    blocks=st.lists(st.tuples(st.sampled_from(sorted(BLOCKS)), st.sampled_from([4, 8, 12])), min_size=2, max_size=4),
    head=st.sampled_from(HEADS),
    seed=st.integers(0, 999),
)
def test_any_network(blocks, head, seed, zeros_cut):
    torch.manual_seed(seed)
    unnoticed(Network(blocks, head), zeros_cut, seed)

"""Every way in which layers are wired: small networks of one difficulty each."""

import copy
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional

import lissome as ls
from lissome.layers.pad_shortcut import PadShortcut


def conv_norm(channels, out_channels, kernel=3, stride=1, groups=1):
    layers = nn.Sequential(
        nn.Conv2d(channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )
    for name in ("weight", "bias", "running_mean", "running_var"):
        nn.init.uniform_(getattr(layers[1], name), 0.5, 1.5)
    return layers


class Network(nn.Module):
    """Layers by name, and what a forward does with them."""

    def __init__(self, run, **parts):
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.run(self, x)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.picture, self.depth, self.last = conv_norm(3, 8), conv_norm(1, 8), nn.Linear(8, 4)

    def forward(self, picture, depth):
        return self.last((self.picture(picture) + self.depth(depth)).mean((2, 3)))


def shuffled(x, groups):
    n, c, h, w = x.shape[0], x.shape[1], x.shape[2], x.shape[3]
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def dense(net, x):
    x = net.stem(x)
    for layer in (net.first, net.second):
        x = torch.cat([x, layer(x)], 1)
    return net.last(x)


def two_pieces(net, x):
    left, right = torch.chunk(net.stem(x), 2, 1)[0], torch.split(net.stem(x), [6, 2], 1)[1]
    return net.last(torch.cat([net.left(left), net.right(right)], 1))


def spatial_attention(net, x):
    x = net.stem(x)
    return net.last(x * torch.sigmoid(net.attend(x.mean(1, keepdim=True))))


def layer_scale(net, x):
    x = net.stem(x)
    return net.last(x + net.scale * net.body(x))


def sizes_in_python(net, x):
    """torch.fx traces neither len() nor a branch on a size."""
    y = net.stem(x)
    for _ in range(len(x.shape) - 3):
        y = net.body(y)
    if y.shape[2] > 4:
        y = functional.adaptive_avg_pool2d(y, 2)
    return net.last(y.reshape(y.shape[0], -1) * float(y.shape[1] // 4))


def map_head(channels=8):
    return nn.Conv2d(channels, 4, 1)


def gate(channels, squeezed):
    return nn.Sequential(
        *(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, squeezed, 1), nn.ReLU()),
        *(nn.Conv2d(squeezed, channels, 1), nn.Sigmoid()),
    )


@dataclass
class Topology:
    """How to build it, its input, which layers can be pruned, and what must stay for a reason of its own."""

    build: object
    pruned: set
    inputs: tuple = ((2, 3, 8, 8),)
    reason: str = "reaches the output"


def sequence(*layers):
    return lambda: nn.Sequential(*[layer() if isinstance(layer, type) else copy.deepcopy(layer) for layer in layers])


POOL = (nn.AdaptiveAvgPool2d(1), nn.Flatten())

TOPOLOGIES = {
    "plain": Topology(sequence(conv_norm(3, 8), *POOL, nn.Linear(8, 4)), {"0.0"}),
    "residual": Topology(
        lambda: Network(
            lambda net, x: net.last(functional.relu(net.stem(x) + net.body(net.stem(x)))),
            stem=conv_norm(3, 8),
            body=nn.Sequential(conv_norm(8, 6), nn.Conv2d(6, 8, 3, padding=1)),
            last=map_head(),
        ),
        {"stem.0", "body.0.0", "body.1"},
    ),
    "zero-padded shortcut": Topology(
        lambda: Network(
            lambda net, x: net.last((net.shortcut(net.stem(x)) + net.body(net.stem(x))).mean((2, 3))),
            stem=conv_norm(3, 8),
            shortcut=PadShortcut(8, 16, stride=2),
            body=conv_norm(8, 16, stride=2),
            last=nn.Linear(16, 4),
        ),
        {"stem.0", "body.0"},
    ),
    "branches": Topology(
        lambda: Network(
            lambda net, x: net.last(torch.cat([net.left(x), net.right(x), x], 1)),
            left=conv_norm(3, 6),
            right=conv_norm(3, 4, 1),
            last=map_head(13),
        ),
        {"left.0", "right.0"},
    ),
    "split and chunk": Topology(
        lambda: Network(
            two_pieces, stem=conv_norm(3, 8), left=conv_norm(4, 6), right=conv_norm(2, 4), last=map_head(10)
        ),
        {"stem.0", "left.0", "right.0"},
    ),
    "slices": Topology(
        lambda: Network(
            lambda net, x: net.last(torch.cat([net.body(net.stem(x)[:, :3]), net.stem(x)[:, 3:]], 1)),
            stem=conv_norm(3, 8),
            body=conv_norm(3, 5),
            last=map_head(10),
        ),
        {"stem.0", "body.0"},
    ),
    "half by its size": Topology(
        lambda: Network(
            lambda net, x: net.last(net.stem(x)[:, : net.stem(x).shape[1] // 2]), stem=conv_norm(3, 8), last=map_head(4)
        ),
        {"stem.0"},
    ),
    "shuffle by view": Topology(
        lambda: Network(
            lambda net, x: net.last(net.body(shuffled(net.stem(x), 2))),
            stem=conv_norm(3, 8),
            body=conv_norm(8, 12, 1, groups=4),
            last=map_head(12),
        ),
        {"stem.0", "body.0"},
    ),
    "shuffle layer": Topology(
        sequence(conv_norm(3, 8), nn.ChannelShuffle(4), conv_norm(8, 8, groups=8), map_head()), {"0.0"}
    ),
    "squeeze and excitation": Topology(
        lambda: Network(
            lambda net, x: net.last(net.stem(x) * net.gate(net.stem(x))),
            stem=conv_norm(3, 8),
            gate=gate(8, 4),
            last=map_head(),
        ),
        {"stem.0", "gate.1", "gate.3"},
    ),
    "dense": Topology(
        lambda: Network(dense, stem=conv_norm(3, 8), first=conv_norm(8, 4), second=conv_norm(12, 4), last=map_head(16)),
        {"stem.0", "first.0", "second.0"},
    ),
    "flatten, linear": Topology(
        sequence(conv_norm(3, 8), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10), nn.ReLU(), nn.Linear(10, 4)),
        {"0.0", "3"},
    ),
    "view of a known batch": Topology(
        lambda: Network(
            lambda net, x: net.last(net.stem(x).view(2, 8 * 64)), stem=conv_norm(3, 8), last=nn.Linear(512, 4)
        ),
        {"stem.0"},
    ),
    "grouped": Topology(sequence(conv_norm(3, 8), conv_norm(8, 12, groups=2), map_head(12)), {"0.0", "1.0"}),
    "depthwise with multiplier": Topology(sequence(conv_norm(3, 6), conv_norm(6, 12, groups=6), map_head(12)), {"0.0"}),
    "depthwise of the picture": Topology(
        sequence(conv_norm(3, 6, groups=3), map_head(6)), set(), reason="is the input"
    ),
    "transposed": Topology(
        sequence(conv_norm(3, 8), nn.ConvTranspose2d(8, 6, 2, 2), nn.BatchNorm2d(6), map_head(6)), {"0.0", "1"}
    ),
    "slope a channel": Topology(sequence(nn.Conv2d(3, 8, 3), nn.PReLU(8), map_head()), {"0"}),
    "group norm": Topology(sequence(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(), map_head()), {"0"}),
    "layer scale": Topology(
        lambda: Network(
            layer_scale,
            stem=conv_norm(3, 8),
            body=nn.Conv2d(8, 8, 3, padding=1),
            scale=nn.Parameter(torch.rand(8, 1, 1)),
            last=map_head(),
        ),
        {"stem.0", "body"},
    ),
    "called twice": Topology(
        lambda: Network(
            lambda net, x: net.last(net.body(net.body(net.stem(x)))),
            stem=conv_norm(3, 8),
            body=nn.Conv2d(8, 8, 3, padding=1),
            last=map_head(),
        ),
        {"stem.0", "body"},
    ),
    "two inputs": Topology(TwoInputs, {"picture.0", "depth.0"}, ((2, 3, 8, 8), (2, 1, 8, 8))),
    "two outputs": Topology(
        lambda: Network(
            lambda net, x: (net.map(net.stem(x)), net.last(net.stem(x).mean((2, 3)))),
            stem=conv_norm(3, 8),
            map=map_head(),
            last=nn.Linear(8, 2),
        ),
        {"stem.0"},
    ),
    "named outputs": Topology(
        lambda: Network(
            lambda net, x: {"fine": net.stem(x), "coarse": [net.body(net.stem(x))]},
            stem=conv_norm(3, 8),
            body=conv_norm(8, 6),
        ),
        set(),
    ),
    "ends in a convolution": Topology(sequence(conv_norm(3, 8), conv_norm(8, 8), nn.Conv2d(8, 5, 3)), {"0.0", "1.0"}),
    "one convolution": Topology(sequence(nn.Conv2d(3, 8, 3)), set()),
    "pixel shuffle": Topology(
        sequence(conv_norm(3, 8), nn.Conv2d(8, 16, 1), nn.PixelShuffle(2), map_head(4)), {"0.0", "1"}
    ),
    "super-resolution": Topology(
        sequence(conv_norm(3, 8), nn.Conv2d(8, 12, 3, padding=1), nn.PixelShuffle(2)), {"0.0"}
    ),
    "interpolate": Topology(
        lambda: Network(
            lambda net, x: net.last(functional.interpolate(net.body(net.stem(x)), size=x.shape[2:]) + net.stem(x)),
            stem=conv_norm(3, 8),
            body=conv_norm(8, 8, stride=2),
            last=map_head(),
        ),
        {"stem.0", "body.0"},
    ),
    "spatial attention": Topology(
        lambda: Network(
            spatial_attention,
            stem=nn.Sequential(conv_norm(3, 8), conv_norm(8, 8)),
            attend=nn.Conv2d(1, 1, 3, padding=1),
            last=map_head(),
        ),
        {"stem.0.0"},
        reason="mean over channels",
    ),
    "unflatten": Topology(sequence(conv_norm(3, 8), nn.Unflatten(1, (2, 4)), nn.Flatten(1, 2), map_head()), {"0.0"}),
    "spatial padding": Topology(
        lambda: Network(
            lambda net, x: net.last(functional.pad(net.stem(x), (1, 0, 2, 1))), stem=conv_norm(3, 8), last=map_head()
        ),
        {"stem.0"},
    ),
    "adaptive pool, mean": Topology(
        lambda: Network(
            lambda net, x: net.last(functional.adaptive_avg_pool2d(net.stem(x), 2).mean([2, 3])),
            stem=conv_norm(3, 8),
            last=nn.Linear(8, 4),
        ),
        {"stem.0"},
    ),
    "channels at last": Topology(
        lambda: Network(
            lambda net, x: net.last(net.body(net.norm(net.stem(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)),
            stem=conv_norm(3, 8),
            norm=nn.LayerNorm(8),
            body=nn.Linear(8, 6),
            last=map_head(6),
        ),
        {"stem.0", "body"},
    ),
    "a loop over pieces": Topology(
        lambda: Network(
            lambda net, x: net.last(torch.cat([net.body(one) for one in net.stem(x).chunk(2, 1)], 1)),
            stem=conv_norm(3, 8),
            body=conv_norm(4, 6),
            last=map_head(12),
        ),
        {"stem.0", "body.0"},
    ),
    "sizes in Python": Topology(
        lambda: Network(sizes_in_python, stem=conv_norm(3, 8), body=conv_norm(8, 8), last=nn.Linear(32, 4)),
        {"stem.0", "body.0"},
    ),
    "class of each pixel": Topology(sequence(conv_norm(3, 8), map_head(), nn.Identity()), {"0.0"}),
    "softmax inside": Topology(
        lambda: Network(
            lambda net, x: net.last(functional.softmax(net.stem(x), 1)), stem=conv_norm(3, 8), last=map_head()
        ),
        set(),
        reason="no rule for softmax",
    ),
}


@pytest.fixture(params=TOPOLOGIES)
def topology(request):
    return TOPOLOGIES[request.param]


@pytest.fixture
def model(topology):
    return topology.build().eval()


@pytest.fixture
def inputs(topology):
    return tuple(torch.randn(shape) for shape in topology.inputs)


@pytest.fixture
def pruned(model, inputs):
    return ls.PruneChannels(keep=0.5, multiple_of=1, score=ls.scores.Random()).apply(model, ls.Context(example=inputs))

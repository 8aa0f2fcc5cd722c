"""Every operator of operators.toml, between two convolutions: a channel of zeros goes unnoticed, or all stay."""

import operator
import tomllib
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

import lissome.tracing

TABLE = tomllib.loads((Path(lissome.tracing.__file__).parent / "operators.toml").read_text())

CHANNELS, HEIGHT, WIDTH = 8, 4, 6


class Between(nn.Module):
    """Convolutions, what is tested, and a layer that reads it."""

    def __init__(self, expression, tensors=1):
        super().__init__()
        self.expression = expression
        self.makers = nn.ModuleList(nn.Conv2d(3, CHANNELS, 3, padding=1) for _ in range(tensors))
        with torch.no_grad():
            shape = expression(*(torch.randn(2, CHANNELS, HEIGHT, WIDTH) for _ in range(tensors))).shape
        kinds = {2: lambda: nn.Linear(shape[1], 3), 3: lambda: nn.Conv1d(shape[1], 3, 1)}
        self.reader = kinds.get(len(shape), lambda: nn.Conv2d(shape[1], 3, 1))()

    def forward(self, x):
        return self.reader(self.expression(*(one(x) for one in self.makers)))


@pytest.fixture
def images():
    return torch.randn(2, 3, HEIGHT, WIDTH)


def function_or_method(name):
    if name == "log_sigmoid":
        return functional.logsigmoid
    for home in (functional, torch, operator):
        if callable(getattr(home, name, None)):
            return getattr(home, name)
    return lambda h, *args: getattr(h, name)(*args)


ARGUMENTS = {
    "pow": (2,),
    "clamp": (-1, 1),
    "clamp_min": (0.7,),
    "clamp_max": (0.7,),
    "dropout": (0.5, False),
    "dropout2d": (0.5, False),
    "dropout3d": (0.5, False),
    "alpha_dropout": (0.5, False),
    "feature_dropout": (0.5, False),
    "to": (torch.float64,),
    "type": (torch.float64,),
    "type_as": (torch.zeros(1, dtype=torch.float64),),
    "fake_quantize_per_tensor_affine": (0.1, 0, 0, 255),
    **dict.fromkeys([f"{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)], (2,)),
    **dict.fromkeys([f"adaptive_{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)], (1,)),
    "interpolate": (None, 2),
    "upsample": (None, 2),
}
DEPRECATED = {"upsample": "`nn.functional.upsample` is deprecated"}


def call(name, h):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", DEPRECATED.get(name, "nothing"))
        return function_or_method(name)(h, *ARGUMENTS.get(name, ()))


@pytest.mark.parametrize("name", TABLE["passing"])
def test_entry_by_entry(name, images, zeros_cut):
    # sigmoid(0) is not 0, but 0 · sigmoid(0) is; half a unit off 0 every function is finite.
    cut = zeros_cut(Between(lambda h: h * call(name, h.abs() + 0.5)), images)
    assert cut.layers == {"makers.0"}
    assert cut.worst < 1e-10


@pytest.mark.parametrize("name", TABLE["pooling"])
def test_height_and_width(name, images, zeros_cut):
    layout = {"1": lambda h: h.flatten(2), "3": lambda h: h.unsqueeze(2).expand(-1, -1, 4, -1, -1)}
    before = layout.get(name[-2], lambda h: h)
    cut = zeros_cut(Between(lambda h: call(name, before(h)).flatten(2)), images)
    assert cut.layers == {"makers.0"}
    assert cut.worst < 1e-10


PAIRS = {
    **{name: lambda h, g, name=name: getattr(operator, name)(h, g) for name in ("add", "sub", "mul", "iadd", "isub")},
    "imul": operator.imul,
    "truediv": lambda h, g: h / (g.abs() + 1),
    "itruediv": lambda h, g: operator.itruediv(h, g.abs() + 1),
    "div": lambda h, g: torch.div(h, g.abs() + 1),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "add_": lambda h, g: h.add_(g),
    "sub_": lambda h, g: h.sub_(g),
    "mul_": lambda h, g: h.mul_(g),
    "div_": lambda h, g: h.div_(g.abs() + 1),
    "where": lambda h, g: torch.where(h > g, h, g),
    "fmod": lambda h, g: torch.fmod(h, g.abs() + 1),
    "remainder": lambda h, g: torch.remainder(h, g.abs() + 1),
    "floordiv": lambda h, g: h // (g.abs() + 1),
    **{
        name: lambda h, g, name=name: h * getattr(operator, name)(h, g) for name in ("lt", "gt", "le", "ge", "eq", "ne")
    },
}


@pytest.mark.parametrize("name", TABLE["pairing"])
def test_two_tensors_meet(name, images, zeros_cut):
    cut = zeros_cut(Between(PAIRS[name], tensors=2), images)
    assert [set(group.layers("produces")) for group in cut.groups] == [{"makers.0", "makers.1"}]
    assert cut.worst < 1e-10


SHAPES = {
    "view": [
        lambda h: h.view(h.shape[0], 4, 2, HEIGHT, WIDTH).transpose(1, 2).reshape(h.shape),
        lambda h: h.view(h.size(0), -1),
        lambda h: h.view(-1, CHANNELS, HEIGHT * WIDTH),
        lambda h: h.view((h.size(0), CHANNELS * HEIGHT, WIDTH)),
        lambda h: h.view(h.size(0) * 2, h.size(1) // 2, HEIGHT, WIDTH).view(h.size(0), h.size(1), HEIGHT, WIDTH),
        lambda h: h.view(h.dtype),
    ],
    "reshape": [
        lambda h: torch.reshape(h, (-1, CHANNELS * HEIGHT * WIDTH)),
        lambda h: torch.reshape(h, shape=(-1, 2, CHANNELS // 2, HEIGHT, WIDTH)).reshape(-1, CHANNELS, HEIGHT, WIDTH),
        lambda h: torch.reshape(input=h, shape=(-1, CHANNELS, HEIGHT * WIDTH)),
        lambda h: h[:, 2:].reshape(h[:, 2:].shape),
        lambda h: h.reshape(h.size(0), h.size(1) * h.size(2) * h.size(3)),
    ],
    "flatten": [lambda h: h.flatten(1), lambda h: torch.flatten(h, 2), lambda h: torch.flatten(input=h, start_dim=1)],
    "permute": [lambda h: h.permute(0, 2, 3, 1).reshape(h.size(0), -1), lambda h: h.permute(0, 1, 3, 2)],
    "transpose": [lambda h: h.transpose(1, 2).transpose(2, 1), lambda h: torch.transpose(h, -1, -2)],
    "swapaxes": [lambda h: h.swapaxes(1, 3).swapaxes(3, 1)],
    "movedim": [lambda h: h.movedim(1, -1).movedim(-1, 1)],
    "unsqueeze": [lambda h: h.unsqueeze(1).squeeze(1)],
    "squeeze": [lambda h: h.mean((2, 3), keepdim=True).squeeze(-1).squeeze(-1)],
    "chunk": [
        lambda h: h.chunk(2, 1)[0] + h.chunk(2, 1)[1],
        lambda h: torch.cat(h.chunk(3, dim=1)[::-1], 1),
        lambda h: torch.chunk(h, chunks=3, dim=-3)[2],
        lambda h: torch.cat(h.chunk(2, 2)[::-1], 2),
    ],
    "split": [
        lambda h: torch.cat([h.split([3, 5], 1)[1], h.split([3, 5], 1)[0]], 1),
        lambda h: torch.split(h, 3, dim=1)[1],
        lambda h: h.split(h.size(1) // 2, 1)[1],
    ],
    "tensor_split": [lambda h: torch.tensor_split(h, 3, 1)[1], lambda h: h.tensor_split((3, 4), dim=1)[2]],
    "unbind": [lambda h: torch.mul(*(h.view(h.size(0), 2, 4, HEIGHT, WIDTH).unbind(1)[one] for one in (0, 1)))],
    "narrow": [
        lambda h: h.narrow(1, 3, 4),
        lambda h: torch.narrow(h, dim=-3, start=-5, length=4),
        lambda h: h.narrow(1, h.size(1) // 2, h.size(1) // 2),
        lambda h: h.narrow(2, 1, 2),
    ],
    "getitem": [
        lambda h: h[:, 2:7],
        lambda h: h[:, -3:],
        lambda h: h[..., 1:, :],
        lambda h: h[:, : h.shape[1] // 2] * h[:, h.shape[1] // 2 :],
        lambda h: h[:, :-1][:, 1:],
        lambda h: h[:, 3:100, ::2, ::2],
        lambda h: h[:, :, 0],
        lambda h: h.view(h.size(0), 2, 4, HEIGHT, WIDTH)[:, 1],
        lambda h: h[:, None].squeeze(1),
    ],
    "cat": [
        lambda h: torch.cat([h[:, 4:], h], 1),
        lambda h: torch.cat([h, h], dim=2),
        lambda h: torch.cat(tensors=[h, h], dim=1),
    ],
    "concat": [lambda h: torch.concat((h, h[:, :2]), 1)],
    "concatenate": [lambda h: torch.concatenate((h, h[:, :2]), 1)],
    "stack": [lambda h: torch.stack([h[:, :4], h[:, 4:]], 1).sum(1)],
    "select": [lambda h: h.select(2, 1), lambda h: torch.select(h, dim=3, index=0)],
    "expand": [
        lambda h: h.mean((2, 3), keepdim=True).expand(-1, -1, 2, 2),
        lambda h: h[:, :, :1].expand(h.size(0), CHANNELS, 3, WIDTH),
    ],
    "expand_as": [lambda h: h.mean((2, 3), keepdim=True).expand_as(h)],
    "repeat": [lambda h: h.repeat(1, 2, 1, 1)],
    "repeat_interleave": [lambda h: h.repeat_interleave(2, 1), lambda h: torch.repeat_interleave(h, 2, dim=1)],
    "tile": [lambda h: h.tile(1, 2, 1, 1)],
    "roll": [lambda h: h.roll(1, 2), lambda h: torch.roll(h, shifts=(1, 1), dims=(2, 3))],
    "flip": [lambda h: h.flip(1), lambda h: torch.flip(h, dims=(1, 3))],
    "unflatten": [
        lambda h: h.unflatten(1, (2, 4)).flatten(1, 2),
        lambda h: torch.unflatten(h, 1, (4, -1)).sum(1),
        lambda h: torch.unflatten(h, dim=-3, sizes=(2, 4)).transpose(1, 2).flatten(1, 2),
    ],
    "pixel_shuffle": [lambda h: functional.pixel_shuffle(h, 2)],
    "pixel_unshuffle": [lambda h: functional.pixel_unshuffle(h, 2)],
    "channel_shuffle": [lambda h: functional.channel_shuffle(h, 4), lambda h: functional.channel_shuffle(h, groups=2)],
    "t": [lambda h: h.mean((2, 3)).t().t()],
}


@pytest.mark.parametrize(
    ("name", "place"), [(name, place) for name in TABLE["shaping"] for place in range(len(SHAPES[name]))]
)
def test_entries_move(name, place, images, zeros_cut):
    cut = zeros_cut(Between(SHAPES[name][place]), images)
    assert cut.layers == {"makers.0"}
    assert cut.worst < 1e-10


STAY = {
    "a channel by its number": (lambda h: h[:, 2] + h[:, 3], "numbered by getitem"),
    "channels by a list": (lambda h: h[:, [0, 3]], "numbered by getitem"),
    "channels by a tensor": (lambda h: h[:, torch.tensor([0, 3])], "numbered by getitem"),
    "every other channel": (lambda h: h[:, ::2], "numbered by getitem"),
    "select": (lambda h: h.select(1, 2), "numbered by select"),
    "unbind": (lambda h: h.unbind(1)[0], "numbered by unbind"),
    "roll": (lambda h: h.roll(1, 1), "numbered by roll"),
    "roll of all": (lambda h: h.roll(1), "numbered by roll"),
    "mean over channels": (lambda h: h * h.mean(1, keepdim=True), "mean over channels"),
    "mean of all": (lambda h: h * h.mean(), "mean over channels"),
    "norm by place": (lambda h: h * h.norm(2, 1, True), "no rule for norm"),
    "argmax": (lambda h: h * h.argmax(1, keepdim=True), "becomes integers"),
    "softmax": (lambda h: functional.softmax(h, 1), "no rule for softmax"),
    "gather": (lambda h: h.gather(1, torch.zeros(2, 1, HEIGHT, WIDTH, dtype=torch.int64)), "no rule for gather"),
    "matmul": (lambda h: h @ h.transpose(2, 3), "no rule for matmul"),
    "a constant a channel": (lambda h: h + torch.arange(8.0).view(1, 8, 1, 1), "meets a constant"),
    "pooling over channels": (lambda h: functional.max_pool1d(h.flatten(2).transpose(1, 2), 2), "mixed by max_pool1d"),
    "fold": (lambda h: functional.unfold(h, 2), "no rule for unfold"),
}


@pytest.mark.parametrize("case", STAY)
def test_what_cannot_go_stays_and_says_why(case, images, zeros_cut):
    expression, reason = STAY[case]
    cut = zeros_cut(Between(expression), images)
    assert "makers.0" not in cut.layers
    assert any(reason in one for one in cut.reasons)


AXES = {"keepdim": {"dim": (2, 3), "keepdim": True}, "squeezed": {"dim": (-1, 2)}, "one": {"dim": 3}}
ONE_AXIS = ("max", "min", "prod", "argmax", "argmin")


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("name", TABLE["reducing"])
def test_axes_become_one(name, axes, images, zeros_cut):
    settings = AXES["one"] if name in ONE_AXIS else AXES[axes]

    def expression(h):
        result = getattr(torch, name)(h, **settings)
        result = result[0] if name in ("max", "min") else result
        if name == "logsumexp":  # of zeros it is not zero
            result = result * torch.amax(h, **settings)
        return h * result.reshape(result.shape[0], result.shape[1], -1)[..., :1, None]

    cut = zeros_cut(Between(expression), images)
    if name.startswith("arg"):
        assert not cut.groups
    else:
        assert cut.layers == {"makers.0"}
        assert cut.worst < 1e-10


FILLED = {
    "sizes": lambda h: torch.cat([h, h.new_zeros(2, 3, HEIGHT, WIDTH)], 1),
    "a size": lambda h: torch.cat([h.new_ones(size=(h.size(0), h.size(1), HEIGHT, WIDTH)), h], 1),
    "met": lambda h: h * h.new_ones(h.shape),
    "met and named": lambda h: h * h.new_ones(size=(h.size(0), h.size(1), 1, 1)),
    "a vector": lambda h: h + h.new_zeros(WIDTH),
}


@pytest.mark.parametrize("case", FILLED)
def test_new_tensors(case, images, zeros_cut):
    cut = zeros_cut(Between(FILLED[case]), images)
    assert cut.layers == {"makers.0"}
    assert cut.difference(cut.inputs) < 1e-10


def test_max_of_two_tensors(images, zeros_cut):
    cut = zeros_cut(Between(torch.max, tensors=2), images)
    assert cut.layers == {"makers.0", "makers.1"}
    assert cut.worst < 1e-10


PADDED = {
    "spatial": lambda h: functional.pad(h, (1, 2, 0, 1)),
    "reflected": lambda h: functional.pad(h, pad=(1, 1, 0, 0), mode="reflect"),
    "channels": lambda h: functional.pad(h, (0, 0, 0, 0, 2, 3)),
    "by size": lambda h: functional.pad(h, (0, 0, 0, 0, 0, 16 - h.size(1))),
    "channels at last": lambda h: functional.pad(h.permute(0, 2, 3, 1), (1, 1, 0, 1)).permute(0, 3, 1, 2),
    "with zeros": lambda h: torch.cat([h, h.new_zeros(h.size(0), 12 - h.size(1), h.size(2), h.size(3))], 1),
}


@pytest.mark.parametrize("case", PADDED)
def test_padding(case, images, zeros_cut):
    cut = zeros_cut(Between(PADDED[case]), images)
    assert cut.layers == {"makers.0"}
    assert cut.worst < 1e-10


def test_padded_channels_go_with_those_they_meet(images, zeros_cut):
    cut = zeros_cut(Between(lambda h, g: functional.pad(h[:, ::], (0, 0, 0, 0, 2, 2))[:, :8] + g, tensors=2), images)
    sizes = {len(group): group.layers("produces") for group in cut.groups if group.layers("consumes")}
    assert sizes == {6: ("makers.0", "makers.1"), 2: ("makers.1",)}
    assert cut.worst < 1e-10


def test_every_operator_is_tried():
    assert set(PAIRS) == set(TABLE["pairing"])
    assert set(SHAPES) == set(TABLE["shaping"])
    assert set(ARGUMENTS) <= {*TABLE["passing"], *TABLE["pooling"]}
    names = [name for kind in TABLE.values() for name in kind]
    assert len(names) == len(set(names))

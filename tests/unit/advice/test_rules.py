"""Each rule has a network that breaks it, and a near miss that does not."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from lissome.advice import case as advice_case
from lissome.advice.advise import advise
from lissome.advice.rule import Rule
from lissome.advice.rules import RULES
from lissome.core.names import load_attribute
from lissome.devices.device import Device
from lissome.layers.squeeze_excitation import SqueezeExcitation
from lissome.profiling.profile import profile
from lissome.tables import STEPS


def device(kind="cpu", *, flops=1e12, bandwidth=1e11, multiple=1, int8=None):
    """A chip with the roofs that a test needs."""
    peaks = {"float32": flops} | ({"int8": int8} if int8 else {})
    sources = dict.fromkeys([*peaks, "bytes_per_s"], "made up")
    return Device(
        name="chip",
        title="A chip",
        kind=kind,
        peak_flops_per_s=peaks,
        bytes_per_s=bandwidth,
        channel_multiple=multiple,
        sources=sources,
    )


SLOW_MEMORY = device(bandwidth=1e10)
SLOW_ARITHMETIC = device(flops=1e9, bandwidth=1e12)
GPU = device("gpu", flops=1e14, bandwidth=1e12)


def conv(*channels, kernel=3, **settings):
    return nn.Conv2d(*channels, kernel, padding=kernel // 2, **settings)


class Combined(nn.Module):
    """Branches of one tensor, put together."""

    def __init__(self, *branches, by):
        super().__init__()
        self.branches, self.by = nn.ModuleList(branches), by

    def forward(self, x):
        parts = [branch(x) for branch in self.branches]
        return torch.cat(parts, 1) if self.by == "cat" else sum(parts[1:], parts[0])


class Residual(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.layers(x)


def classifier(*linear):
    return nn.Sequential(conv(3, 16, stride=2), nn.ReLU(), conv(16, 64, stride=2), nn.ReLU(), *linear)


@dataclass(frozen=True)
class Case:
    rule: str
    device: Device
    breaks: nn.Module
    keeps: nn.Module
    shape: tuple[int, ...]
    keeping_device: Device | None = None


SEPARABLE = nn.Sequential(conv(16, 16, groups=16), nn.ReLU(), conv(16, 16, kernel=1))
CASES = [
    Case(
        "equal_channels",
        SLOW_MEMORY,
        nn.Sequential(conv(16, 128, kernel=1), conv(128, 16, kernel=1)),
        nn.Sequential(conv(45, 90, kernel=1), conv(90, 45, kernel=1)),
        (1, 16, 28, 28),
    ),
    Case(
        "few_groups",
        SLOW_MEMORY,
        nn.Sequential(conv(64, 64, kernel=1, groups=8), conv(64, 64, kernel=1, groups=8)),
        nn.Sequential(conv(64, 64, groups=64), conv(64, 64, kernel=1)),  # depthwise is another matter
        (1, 64, 28, 28),
    ),
    Case(
        "little_fragmentation",
        SLOW_MEMORY,
        Combined(*(conv(64, 8, kernel=1) for _ in range(4)), by="cat"),
        Combined(conv(64, 8, kernel=1), conv(64, 8, kernel=3), by="cat"),  # cannot be one convolution
        (1, 64, 28, 28),
    ),
    Case(
        "few_elementwise",
        SLOW_MEMORY,
        nn.Sequential(*(part for _ in range(3) for part in (conv(8, 8, kernel=1), nn.SiLU()))),
        nn.Sequential(*(part for _ in range(3) for part in (conv(8, 8, kernel=1), nn.BatchNorm2d(8), nn.ReLU()))),
        (1, 8, 28, 28),
    ),
    Case(
        "channel_multiples",
        device(multiple=16),
        nn.Sequential(conv(16, 17), conv(17, 17)),
        nn.Sequential(conv(16, 32), conv(32, 32)),
        (1, 16, 28, 28),
    ),
    Case(
        "no_depthwise_on_accelerators",
        GPU,
        nn.Sequential(conv(16, 96, kernel=1), nn.ReLU(), conv(96, 96, groups=96), conv(96, 16, kernel=1)),
        nn.Sequential(conv(16, 96), nn.ReLU(), conv(96, 16, kernel=1)),
        (1, 16, 56, 56),
    ),
    Case(
        "plain_at_few_channels", GPU, SEPARABLE, SEPARABLE, (1, 16, 56, 56), device("cpu", flops=1e14, bandwidth=1e12)
    ),
    Case(
        "small_kernels",
        SLOW_ARITHMETIC,
        nn.Sequential(conv(32, 32, kernel=5), nn.ReLU()),
        nn.Sequential(conv(3, 64, kernel=7, stride=2), nn.ReLU()),  # a stem: 3x3 in its place would cost more
        (1, 32, 28, 28),
    ),
    Case(
        "cheap_attention",
        SLOW_MEMORY,
        nn.Sequential(conv(32, 32), SqueezeExcitation(32, 8), conv(32, 32, stride=2), SqueezeExcitation(32, 8)),
        nn.Sequential(conv(32, 32), nn.AdaptiveAvgPool2d(1), SqueezeExcitation(32, 8)),  # on single pixels
        (1, 32, 56, 56),
    ),
    Case(
        "early_downsampling",
        SLOW_ARITHMETIC,
        nn.Sequential(conv(3, 32), nn.ReLU(), conv(32, 32), nn.ReLU(), conv(32, 64, stride=8)),
        nn.Sequential(conv(3, 32, kernel=7, stride=4), nn.ReLU(), conv(32, 64), nn.ReLU(), conv(64, 64)),
        (1, 3, 64, 64),
    ),
    Case(
        "folded_batch_norm",
        SLOW_MEMORY,
        nn.Sequential(conv(8, 8), nn.BatchNorm2d(8), nn.ReLU()),
        nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), conv(8, 8)),  # nothing before it that could take it
        (1, 8, 28, 28),
    ),
    Case(
        "integers_where_they_pay",
        device(int8=4e12),
        nn.Sequential(conv(64, 64), nn.ReLU()),
        nn.Sequential(conv(64, 64), nn.ReLU()),
        (1, 64, 28, 28),
        device(),  # no figure for integers: nothing is claimed
    ),
    Case(
        "lean_classifier",
        SLOW_MEMORY,
        classifier(nn.Flatten(), nn.Linear(64 * 64, 256), nn.ReLU(), nn.Linear(256, 10)),
        classifier(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 1000)),  # many classes are no fault
        (1, 3, 32, 32),
    ),
    Case(
        "arithmetic_not_memory",
        SLOW_MEMORY,
        nn.Sequential(conv(64, 64, groups=64), nn.ReLU(), conv(64, 64, groups=64), nn.ReLU()),
        nn.Sequential(conv(256, 256), nn.ReLU()),
        (1, 64, 28, 28),
    ),
]


def _shape(model, shape):
    first = next(one for one in model.modules() if isinstance(one, nn.Conv2d | nn.BatchNorm2d))
    channels = first.in_channels if isinstance(first, nn.Conv2d) else first.num_features
    return (shape[0], channels, *shape[2:])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_network_that_breaks_the_rule_is_told_so(case):
    advice = advise(case.breaks, _shape(case.breaks, case.shape), device=case.device)
    found = {tip.rule: tip for tip in advice}
    assert case.rule in found
    tip = found[case.rule]
    assert tip.layers
    assert tip.cost_ms > 0
    assert tip.cost_share == pytest.approx(tip.cost_ms / advice.total_ms)
    assert tip.gain_ms is None or tip.gain_ms > 0
    assert tip.basis == tip.gain_basis == "predicted"
    assert tip.step in ("", *STEPS)
    assert tip.change


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_near_miss_is_not(case):
    found = advise(case.keeps, _shape(case.keeps, case.shape), device=case.keeping_device or case.device)
    assert case.rule not in [tip.rule for tip in found]
    assert case.rule in found.kept


def test_every_rule_has_a_case():
    tested_elsewhere = {"distinct_maps"}
    assert {case.rule for case in CASES} | tested_elsewhere == set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_what_it_is_and_whence(name):
    rule = load_attribute(RULES[name])
    assert issubclass(rule, Rule)
    assert rule.name == name
    assert rule.title
    assert rule.source


def _twins(count):
    layer = conv(3, 16)
    with torch.no_grad():
        for one in range(count):
            layer.weight[one] = layer.weight[0]
    return nn.Sequential(layer, nn.ReLU(), conv(16, 16))


def test_redundant_maps_are_told_from_real_images():
    images = torch.randn(4, 3, 16, 16)
    broken = advise(_twins(10), (1, 3, 16, 16), device=SLOW_ARITHMETIC, images=images)
    (tip,) = [one for one in broken if one.rule == "distinct_maps"]
    assert tip.layers == ("0",)
    assert tip.step == "PruneChannels"
    kept = advise(_twins(1), (1, 3, 16, 16), device=SLOW_ARITHMETIC, images=images)
    assert "distinct_maps" in kept.kept
    (note,) = advise(_twins(10), (1, 3, 16, 16), device=SLOW_ARITHMETIC).notes
    assert (note.layer, note.reason) == ("distinct_maps", "needs real images")


@pytest.mark.parametrize(("int8_ms", "told"), [(2.0, True), (9.9, False), (12.0, False)])
def test_measured_integers_count_and_not_the_peak(int8_ms, told):
    rule = load_attribute(RULES["integers_where_they_pay"])()
    cost = profile(nn.Sequential(conv(64, 64), nn.ReLU()), (1, 64, 28, 28))
    case = advice_case.Case(
        cost=cost,
        device=device(int8=4e12),
        precision="float32",
        ms=(9.0, 1.0),
        basis="measured",
        measured_int8_ms=int8_ms,
    )
    tip = rule.check(case)
    assert (tip is not None) == told
    if told:
        assert tip.gain_ms == pytest.approx(8.0)
        assert tip.gain_basis == "measured"


def test_a_sum_of_a_residual_network_is_no_fault():
    model = nn.Sequential(conv(3, 64), *(Residual(conv(64, 64), nn.ReLU(), conv(64, 64)) for _ in range(2)))
    assert "few_elementwise" in advise(model, (1, 3, 28, 28), device=device()).kept


def test_a_gain_is_what_the_roofline_says_of_the_other_network():
    # 17 channels are computed as 32; 16 are left when they are rounded down.
    (tip,) = [
        one
        for one in advise(conv(16, 17, kernel=1, bias=False), (1, 16, 64, 64), device=device(flops=1e9, multiple=16))
        if one.rule == "channel_multiples"
    ]

    def ms(channels):
        pixels = 64 * 64
        return 1e3 * (2 * 16 - 1) * channels * pixels / 1e9

    assert tip.cost_ms == pytest.approx(ms(32) - ms(17), rel=1e-3)
    assert tip.gain_ms == pytest.approx(ms(32) - ms(16), rel=1e-3)

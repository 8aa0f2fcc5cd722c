"""What the light networks' own settings do, where the conformance tests do not look."""

import pytest
import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.effective_squeeze_excitation import EffectiveSqueezeExcitation
from lissome.layers.squeeze_excitation import SqueezeExcitation
from lissome.models.csp_darknet53 import CSPDarkNet53
from lissome.models.darknet53 import DarkNet53
from lissome.models.efficientnet import EfficientNet
from lissome.models.mobilenet_v3 import MobileNetV3
from lissome.models.vovnet import VoVNet


def test_mobilenet_v3_uses_hard_activations_where_the_paper_does():
    blocks = MobileNetV3(variant="large").blocks
    assert [isinstance(one.layers.depthwise.activation, nn.Hardswish) for one in blocks] == [False] * 6 + [True] * 9
    attentions = [one for one in blocks.modules() if isinstance(one, SqueezeExcitation)]
    assert {type(one.gate) for one in attentions} == {nn.Hardsigmoid}
    assert [one.squeeze.out_channels for one in attentions] == [24, 32, 32, 120, 168, 168, 240, 240]


def test_efficientnet_grows_in_depth():
    assert [len(EfficientNet(depth=depth, width=0.25).blocks) for depth in (1.0, 1.1, 1.8)] == [16, 23, 32]


def test_vovnet_v2_attends_once_a_stage_and_adds_where_widths_agree():
    model = VoVNet(depth=57, version=2, width=0.125)
    modules = [one for stage in model.stages for one in stage if not isinstance(one, nn.MaxPool2d)]
    attends = [isinstance(one.attention, EffectiveSqueezeExcitation) for one in modules]
    assert attends == [True, True, False, False, False, True, False, False, True]
    assert [one.residual for one in modules] == [False, False, False, True, True, True, False, True, True]


def test_csp_darknet_is_cheaper_than_darknet():
    plain, partial = (sum(one.numel() for one in build(width=0.25).parameters()) for build in (DarkNet53, CSPDarkNet53))
    assert partial < 0.7 * plain


@pytest.mark.parametrize("build", [MobileNetV3, EfficientNet, VoVNet, DarkNet53])
def test_small_input_keeps_sixteen_pixels_and_more(build):
    model = build(width=0.125, small_input=True).eval()
    sizes = []
    model.pool.register_forward_pre_hook(lambda _pool, inputs: sizes.append(inputs[0].shape[-2:]))
    model(torch.rand(1, 3, 32, 32))
    assert sizes == [(4, 4)]


def test_unknown_variants_are_refused():
    with pytest.raises(SettingError, match="variant is 'tiny'"):
        MobileNetV3(variant="tiny")
    with pytest.raises(SettingError, match="depth is 40"):
        VoVNet(depth=40)

"""The optional parts of the unit, the two ways to split, and trained weights in the right one."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.channel_shuffle import channel_shuffle
from lissome.layers.squeeze_excitation import SqueezeExcitation
from lissome.models.shufflenet_v2 import ShuffleNetV2, ShuffleUnitV2
from lissome.models.weights import load_weights


def test_half_of_the_channels_pass_untouched():
    x = torch.randn(2, 8, 5, 5)
    y = channel_shuffle(ShuffleUnitV2(8, 8)(x), 4)
    assert torch.equal(y[:, :4], x[:, :4])


def test_authors_form_splits_by_parity():
    unit = ShuffleUnitV2(8, 8, authors_form=True).eval()
    x = torch.randn(2, 8, 5, 5)
    assert torch.equal(unit(x), torch.cat([x[:, ::2], unit.branch(x[:, 1::2])], 1))


def test_residual_adds_what_entered_the_branch():
    unit = ShuffleUnitV2(8, 8, residual=True).eval()
    nn.init.zeros_(unit.branch[2].norm.weight)
    x = torch.randn(2, 8, 5, 5)
    assert torch.equal(channel_shuffle(unit(x), 4), x)


@pytest.mark.parametrize("stride", [1, 2])
def test_attention_is_the_last_of_the_branch(stride):
    assert isinstance(ShuffleUnitV2(8, 8, stride=stride, attention=True).branch[-1], SqueezeExcitation)


def test_residual_costs_no_parameter_and_attention_does():
    plain, residual, attention = (
        sum(one.numel() for one in ShuffleNetV2(width=0.5, **settings).parameters())
        for settings in ({}, {"residual": True}, {"attention": True})
    )
    assert plain == residual < attention


def test_widths_that_the_paper_does_not_have_are_refused():
    with pytest.raises(SettingError, match=r"width is 0\.7"):
        ShuffleNetV2(width=0.7)


@pytest.mark.data
def test_fastestdet_backbone_computes_what_its_onnx_file_computes(data_folder):
    folder = data_folder / "weights/det_fastestdet"
    weights = torch.load(folder / "fastestdet_ap0.2532.pth", weights_only=True, map_location="cpu")
    network = ShuffleNetV2(width=0.5, authors_form=True).eval()
    backbone = nn.Sequential(network.stem, network.stem_pool, network.units)
    load_weights(backbone, {name: one for name, one in weights.items() if name.startswith("backbone.")})
    image = np.random.default_rng(0).random((1, 3, 352, 352), dtype=np.float32)
    features = backbone(torch.from_numpy(image)).detach().numpy()
    model = onnx.load(folder / "FastestDet.onnx")
    joints = [node.output[0] for node in model.graph.node if node.op_type == "Concat"]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in joints)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    theirs = session.run(joints, {"input.1": image})
    assert any(one.shape == features.shape and np.allclose(one, features, atol=1e-4) for one in theirs)

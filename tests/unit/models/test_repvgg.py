"""The trained form folds into the deployed one."""

import pytest
import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.models.repvgg import RepVGG


@pytest.fixture
def trained():
    model = RepVGG(width=0.125, classes=5, small_input=True)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return model.eval()


def test_deployed_form_computes_the_same(trained):
    x = torch.randn(2, 3, 32, 32)
    expected = trained(x).detach()
    deployed = trained.deployed()
    assert torch.allclose(deployed(x), expected, atol=1e-4 * float(expected.abs().max()))
    assert torch.equal(trained(x), expected)


def test_deployed_form_is_a_plain_chain_that_the_deploy_setting_builds_too(trained):
    deployed = trained.deployed()
    built = RepVGG(width=0.125, classes=5, small_input=True, deploy=True)
    assert not any(isinstance(one, nn.BatchNorm2d) for one in deployed.modules())
    assert {name: one.shape for name, one in deployed.state_dict().items()} == {
        name: one.shape for name, one in built.state_dict().items()
    }


def test_deploying_twice_changes_nothing(trained):
    once = trained.deployed()
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(once.deployed()(x), once(x))


def test_unknown_variant_is_refused():
    with pytest.raises(SettingError, match="variant is 'C9'"):
        RepVGG(variant="C9")

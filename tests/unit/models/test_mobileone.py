"""The trained form folds into the deployed one."""

import torch
from torch import nn

from lissome.models.mobileone import MobileOne


def trained():
    model = MobileOne(width=0.25, classes=5, small_input=True)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
    return model.eval()


def test_deployed_form_computes_the_same_and_is_what_the_deploy_setting_builds():
    model = trained()
    x = torch.randn(2, 3, 32, 32)
    expected = model(x).detach()
    deployed = model.deployed()
    assert torch.allclose(deployed(x), expected, atol=1e-4 * float(expected.abs().max()))
    assert torch.equal(model(x), expected)
    built = MobileOne(width=0.25, classes=5, small_input=True, deploy=True)
    assert {name: one.shape for name, one in deployed.state_dict().items()} == {
        name: one.shape for name, one in built.state_dict().items()
    }


def test_branches_multiply_what_is_trained_and_nothing_that_runs():
    two, four = (MobileOne(width=0.25, branches=count, classes=5) for count in (2, 4))
    assert sum(one.numel() for one in four.parameters()) > 1.5 * sum(one.numel() for one in two.parameters())
    assert sum(one.numel() for one in four.deployed().parameters()) == sum(
        one.numel() for one in two.deployed().parameters()
    )

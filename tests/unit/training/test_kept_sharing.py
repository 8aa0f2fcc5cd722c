import numpy as np
import torch
from torch import nn

from lissome.core.context import Context
from lissome.data.task import Task
from lissome.training.kept_sharing import KeptSharing
from lissome.training.optimizers import SGD, AdamW
from lissome.training.train import Train

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), dtype=np.uint8)
TASK = Task.from_arrays(IMAGES, np.arange(64) % 2, IMAGES[:8], np.arange(8) % 2)
FAST = {"batch_size": 16, "precision": "float32", "augmentation": "none", "keep": "last"}


def shared_network() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 9, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(36, 2)).eval()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([-0.2, 0.0, 0.1, 0.3])[torch.randint(4, model[0].weight.shape)])
    return model


def test_shared_values_learn_and_stay_shared_with_momentum_and_with_adam() -> None:
    for optimizer in (SGD(learning_rate=0.1), AdamW(learning_rate=0.1)):
        model = shared_network()
        outcome = Train(epochs=2, optimizer=optimizer, **FAST).apply(model, Context(TASK))
        before, after = model[0].weight.detach(), outcome.model[0].weight.detach()
        for value in before.unique():
            members = after[before == value]
            assert len(members.unique()) == 1
            assert (members[0] == value) == (value == 0)  # zeros stay, the others have moved
        assert "243 weights of 1 layers go on sharing values" in [note.reason for note in outcome.notes]


def test_they_may_be_let_go() -> None:
    outcome = Train(epochs=1, keep_shared=False, **FAST).apply(shared_network(), Context(TASK))
    assert len(outcome.model[0].weight.unique()) > 4


def test_a_shared_value_moves_by_the_gradient_of_the_loss_by_it() -> None:
    layer = nn.Linear(6, 4, bias=False)
    groups = torch.randint(3, layer.weight.shape, generator=torch.Generator().manual_seed(1))
    values = torch.tensor([-1.0, 0.5, 2.0], requires_grad=True)
    inputs = torch.rand(5, 6, generator=torch.Generator().manual_seed(2))
    nn.functional.linear(inputs, values[groups]).square().sum().backward()
    layer.weight.data = values.detach()[groups]
    layer(inputs).square().sum().backward()
    KeptSharing(layer).share_gradients()
    torch.testing.assert_close(layer.weight.grad, (values.grad / groups.flatten().bincount())[groups])


def test_channels_may_share_each_among_themselves_and_weights_of_their_own_have_no_part() -> None:
    layer = nn.Linear(2000, 300)
    layer.weight.data = (torch.arange(2000) % 4)[None] + torch.arange(300)[:, None] * 0.01 + 1
    assert len(KeptSharing(layer)) == 1
    assert not KeptSharing(nn.Linear(2000, 300))
    assert not KeptSharing(nn.Linear(2000, 300).to(torch.bfloat16))

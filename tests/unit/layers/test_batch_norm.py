"""Constants of every normalisation in a network."""

from torch import nn

from lissome.layers.batch_norm import set_batch_norm


def test_every_normalisation_gets_both_constants():
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)))
    set_batch_norm(model, eps=1e-3, momentum=0.01)
    assert [(one.eps, one.momentum) for one in (model[0], model[1][1])] == [(1e-3, 0.01)] * 2

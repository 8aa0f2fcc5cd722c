"""The two published forms, and where the shortcut has parameters."""

import pytest

from lissome.models.ghostnet import GhostBottleneck, GhostNet


# Sources: github.com/osmr/imgclsmob pytorch/README.md; github.com/huggingface/pytorch-image-models, ghostnet_100.
@pytest.mark.parametrize(("authors_form", "params"), [(False, 5_180_840), (True, 5_182_508)])
def test_both_forms_have_the_published_parameters(authors_form, params):
    assert sum(one.numel() for one in GhostNet(authors_form=authors_form).parameters()) == params


def test_shortcut_kernels_follow_the_block_in_the_authors_form_only():
    def kernels(*, authors_form):
        shortcuts = [block.shortcut for block in GhostNet(authors_form=authors_form).blocks]
        return [one[0].conv.kernel_size[0] for one in shortcuts if len(list(one.children()))]

    assert kernels(authors_form=True) == [3, 5, 3, 3, 5]
    assert kernels(authors_form=False) == [3] * 5


def test_identity_shortcut_has_no_parameter():
    block = GhostBottleneck(8, 8, 16, kernel_size=3, stride=1, squeezed_channels=None, shortcut_kernel_size=3)
    assert list(block.shortcut.parameters()) == []

"""FastestDet: the published weights load, and the published graph gives the same numbers."""

import numpy as np
import onnxruntime
import pytest
import torch

import lissome as ls
from lissome.models.fastestdet import FastestDet


def test_has_as_many_parameters_as_published():
    assert sum(one.numel() for one in FastestDet().parameters()) == 244_490


def test_a_width_that_shufflenet_has_not_is_refused():
    with pytest.raises(ls.SettingError, match=r"width is 0\.7"):
        FastestDet(width=0.7)


@pytest.mark.data
def test_computes_what_the_published_graph_computes(data_folder):
    weights = data_folder / "weights" / "det_fastestdet"
    model = FastestDet().eval()
    receipt = ls.load_weights(model, weights / "fastestdet_ap0.2532.pth")
    assert len(receipt.by_order) == 350
    published = onnxruntime.InferenceSession(weights / "FastestDet.onnx")
    image = torch.rand(1, 3, 352, 352)
    (expected,) = published.run(None, {"input.1": image.numpy()})
    with torch.no_grad():
        raw = model(image)
    found = torch.cat([raw[:, :1].sigmoid(), raw[:, 1:5], raw[:, 5:].softmax(1)], 1).numpy()
    assert np.abs(found - expected).max() < 1e-4

import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.errors import SettingError, UnknownNameError
from lissome.exporting.to_ncnn import to_ncnn
from lissome.runtimes.ncnn import Ncnn
from lissome.runtimes.ncnn_layer_flags import with_layer_flags

TEXT = "7767517\n2 2\nInput in0 0 1 in0\nConvolution conv0 1 1 in0 out0 0=8 1=3 31=2\n"


def test_switches_are_added_to_those_there_are():
    text = with_layer_flags(TEXT, {"conv0": ["no_winograd", "no_sgemm", "no_sgemm"]})
    assert text.splitlines()[3].endswith("0=8 1=3 31=98")
    assert text.splitlines()[:3] == TEXT.splitlines()[:3]


def test_an_absent_layer_or_switch_is_refused():
    with pytest.raises(SettingError, match="no layer 'conv1'"):
        with_layer_flags(TEXT, {"conv1": ["no_sgemm"]})
    with pytest.raises(UnknownNameError, match="did you mean 'no_sgemm'"):
        with_layer_flags(TEXT, {"conv0": ["no_sgem"]})


def test_ncnn_follows_them_layer_by_layer(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3)).eval()
    images = torch.randn(2, 3, 12, 12)
    param, _ = to_ncnn(model, (images[:1],), tmp_path)
    plain = Ncnn().load(tmp_path).run(images.numpy())[0]
    rounded = Ncnn().load(tmp_path, precision="bfloat16").run(images.numpy())[0]
    names = [line.split()[1] for line in param.read_text().splitlines() if line.startswith("Convolution")]
    param.write_text(with_layer_flags(param.read_text(), dict.fromkeys(names, ("no_bf16_storage",))))
    exact = Ncnn().load(tmp_path, precision="bfloat16").run(images.numpy())[0]
    assert np.abs(exact - plain).max() < 0.01 * np.abs(rounded - plain).max()
    param.write_text(with_layer_flags(param.read_text(), dict.fromkeys(names, ("no_winograd",))))
    slow = Ncnn().load(tmp_path).run(images.numpy())[0]
    assert np.allclose(slow, plain, atol=1e-4)
    assert not np.array_equal(slow, plain)  # another kernel sums in another order

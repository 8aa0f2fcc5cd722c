import platform

import numpy as np
import pytest

from lissome.core.errors import EngineError, SettingError
from lissome.runtimes.ncnn import Ncnn


def write(folder, *layers, weights=b""):
    blobs = {word for line in layers for word in line.split()[4:] if "=" not in word}
    (folder / "ncnn").mkdir(exist_ok=True)
    text = f"7767517\n{len(layers)} {len(blobs)}\n" + "\n".join(layers) + "\n"
    (folder / "ncnn" / "model.param").write_text(text)
    (folder / "ncnn" / "model.bin").write_bytes(weights)
    return folder


INPUT, RELU = "Input in0 0 1 in0", "ReLU relu 1 1 in0 out0"


def test_layers_that_ncnn_does_not_have_are_named(tmp_path):
    write(tmp_path, INPUT, "aten::sort a 1 1 in0 b", "Tensor.slice s 1 1 b out0")
    assert Ncnn().unsupported(tmp_path) == ("Tensor.slice", "aten::sort")
    with pytest.raises(EngineError, match=r"ncnn has no operator for Tensor\.slice, aten::sort; choose another"):
        Ncnn().load(tmp_path)


def test_a_batch_is_run_image_by_image(tmp_path):
    session = Ncnn().load(write(tmp_path, INPUT, RELU))
    images = np.random.default_rng(0).standard_normal((3, 2, 5, 7)).astype(np.float32)
    assert np.array_equal(session.run(images)[0], np.maximum(images, 0))


def test_memory_that_is_not_contiguous_is_read_right(tmp_path):
    session = Ncnn().load(write(tmp_path, INPUT, RELU))
    images = np.random.default_rng(0).standard_normal((2, 5, 7, 3)).astype(np.float32).transpose(0, 3, 1, 2)
    assert np.array_equal(session.run(images)[0], np.maximum(images, 0))


def test_a_wrong_number_of_inputs_is_refused(tmp_path):
    session = Ncnn().load(write(tmp_path, INPUT, RELU))
    with pytest.raises(EngineError, match="given 2 inputs, the network has 1"):
        session.run(np.zeros((1, 1, 1, 1), np.float32), np.zeros((1, 1, 1, 1), np.float32))


def test_a_file_without_its_weights_is_refused(tmp_path):
    convolution = "Convolution c 1 1 in0 out0 0=4 1=3 5=1 6=108"
    with pytest.raises(EngineError, match=r"cannot read its \.param or \.bin file"):
        Ncnn().load(write(tmp_path, INPUT, convolution, weights=b"\0" * 20))


def test_nothing_is_rounded_to_sixteen_bits(tmp_path):
    session = Ncnn().load(write(tmp_path, INPUT, RELU))
    fine = np.full((1, 8, 4, 4), 1 + 2**-20, np.float32)
    assert np.array_equal(session.run(fine)[0], fine)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="about x86 CPUs")
def test_float16_is_refused_where_ncnn_would_use_it_for_a_few_weights_only(tmp_path):
    with pytest.raises(SettingError, match="computes these files in float32 or bfloat16, not float16"):
        Ncnn().load(write(tmp_path, INPUT, RELU), precision="float16")

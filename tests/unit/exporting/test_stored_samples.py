from types import SimpleNamespace

import numpy as np
import pytest

from lissome.core.errors import BadArtifactError
from lissome.exporting.stored_samples import FILE, pack_samples, stored_samples

GENERATOR = np.random.default_rng(0)
INPUTS = [GENERATOR.random((16, 3, 4, 4), np.float32)]
ONE, OTHER = ([GENERATOR.random((16, 5), np.float32)] for _ in range(2))


def card(**changes):
    table = {"name": "tiny", "samples_file": FILE, "input_shapes": ((3, 4, 4),), "output_shapes": ((5,),)}
    return SimpleNamespace(**{**table, "engines": ("onnxruntime", "ncnn", "mnn"), **changes})


def test_what_was_kept_is_read_back_and_equal_outputs_are_kept_once():
    packed = pack_samples(INPUTS, {"onnxruntime": ONE, "ncnn": OTHER, "mnn": ONE})
    found = stored_samples(card(), {FILE: packed})
    assert np.array_equal(found.inputs[0], INPUTS[0][:4])
    for engine, arrays in {"onnxruntime": ONE, "ncnn": OTHER, "mnn": ONE}.items():
        assert np.array_equal(found.outputs[engine][0], arrays[0][:4])
    assert len(packed) < 4 * (4 * 48 + 3 * 4 * 5) + 600


def test_equal_samples_are_equal_bytes():
    packed = [pack_samples(INPUTS, {"onnxruntime": ONE, "ncnn": OTHER, "mnn": ONE}) for _ in range(8)]
    assert len(set(packed)) == 1


def test_large_samples_are_two():
    large = [np.zeros((16, 3, 400, 400), np.float32)]
    found = stored_samples(card(engines=("mnn",)), {FILE: pack_samples(large, {"mnn": ONE})})
    assert len(found.inputs[0]) == 2


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: b"", lambda data: b"\0" * 40])
def test_damaged_samples_are_refused(damage):
    packed = pack_samples(INPUTS, {"onnxruntime": ONE})
    with pytest.raises(BadArtifactError, match="tiny: its samples cannot be read"):
        stored_samples(card(engines=("onnxruntime",)), {FILE: damage(packed)})


def test_missing_outputs_are_refused():
    with pytest.raises(BadArtifactError, match="its samples cannot be read"):
        stored_samples(card(engines=("ncnn",)), {FILE: pack_samples(INPUTS, {"onnxruntime": ONE})})


def test_an_artifact_of_old_says_so():
    with pytest.raises(BadArtifactError, match="tiny: holds no samples to run; export it again"):
        stored_samples(card(samples_file=None), {})

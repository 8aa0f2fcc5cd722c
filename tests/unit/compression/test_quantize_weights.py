"""Weights in few bits: what is restored, and that the artifact is really small."""

import contextlib

import numpy as np
import pytest
import torch
from torch import nn

from lissome.artifacts.codecs import CODECS, ShortFloats, Spaced
from lissome.artifacts.packing import pack, unpack
from lissome.compression.quantization.formats import BFloat16, Binary, Float16, Format, Ternary, Uniform
from lissome.compression.quantization.quantize import Quantize
from lissome.compression.quantization.quantize_weights import QuantizeWeights
from lissome.core.context import Context
from lissome.core.errors import BadArtifactError, SettingError
from lissome.data.task import Task
from lissome.exporting.export import export
from lissome.layers.fake_quantize import FakeQuantize


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.Flatten(), nn.Linear(64 * 16, 50))


FORMATS = [
    *(Uniform(bits=bits, per=per, symmetric=symmetric) for bits in (2, 3, 4, 5, 6, 7, 8, 16)
      for per, symmetric in (("channel", True), ("tensor", False), ("group", True))),
    Binary(), Ternary(), Float16(), BFloat16(),
]  # fmt: skip


@pytest.mark.parametrize("one", FORMATS, ids=repr)
def test_a_file_of_rounded_weights_takes_the_bits_of_the_format(one: Format) -> None:
    model = QuantizeWeights(format=one).apply(_network(), Context()).model
    data = b"abc" + model.get_submodule("4").weight.detach().numpy().tobytes()  # not at a multiple of four
    packed = pack(data)
    assert packed is not None
    assert unpack(packed, len(data)) == data
    bits = 8 * len(packed) / model.get_submodule("4").weight.numel()
    groups = 88 / 64 if getattr(one, "per", "") == "group" else 0.2
    assert bits <= one.bits + groups + 0.15


def test_the_artifact_is_small_and_the_engine_gets_the_floats(tmp_path) -> None:  # type: ignore[no-untyped-def]
    context = Context(example=torch.randn(2, 3, 8, 8))
    outcome = QuantizeWeights(bits=4).apply(_network(), context)
    artifact = export(outcome, tmp_path / "four.lissome", runtimes=["onnxruntime"], context=context)
    whole = export(_network(), tmp_path / "whole.lissome", runtimes=["onnxruntime"], context=context)
    assert artifact.stored_kib("onnxruntime") < whole.stored_kib("onnxruntime") / 5
    images = torch.randn(3, 3, 8, 8)
    with torch.no_grad():
        expected = outcome.model(images)
    assert np.allclose(artifact.session("onnxruntime").run(images.numpy())[0], expected.numpy(), atol=1e-4)
    assert not any(isinstance(one, FakeQuantize) for one in outcome.model.modules())


def test_more_bits_are_closer_and_larger() -> None:
    figures = [QuantizeWeights(bits=bits).apply(_network(), Context()).measurements for bits in (2, 4, 6, 8, 16)]
    noise = [one["snr_db"] for one in figures]
    kib = [one["weight_kib"] for one in figures]
    assert noise == sorted(noise)
    assert kib == sorted(kib)
    assert noise[-2] > 35


def test_what_is_refused_and_declined() -> None:
    with pytest.raises(SettingError, match="both given"):
        QuantizeWeights(bits=4, format=Uniform(bits=2))
    with pytest.raises(SettingError, match="bits is 9"):
        QuantizeWeights(bits=9)
    with pytest.raises(SettingError, match="no layer matches"):
        QuantizeWeights(skip=("x",)).apply(_network(), Context())
    assert not QuantizeWeights().apply(nn.Sequential(nn.ReLU()), Context()).notes[0].applied


@pytest.mark.parametrize("codec", [Spaced(), ShortFloats()], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("seed", range(8))
def test_codecs_of_floats_restore_anything(codec: Spaced | ShortFloats, seed: int) -> None:
    generator = np.random.default_rng(seed)
    pieces = [
        generator.integers(0, 2**32, 100, dtype=np.uint32),
        (generator.integers(-7, 8, 300) * np.float32(0.3)).astype(np.float32).view(np.uint32),
        np.zeros(70, np.uint32),
        np.full(40, 0x80000000, np.uint32),
        np.array([np.inf, -np.inf, np.nan, 1e-45, 3e38, -0.0] * 9, np.float32).view(np.uint32),
        (generator.integers(-3, 4, 200) * np.float32(2.0**-140)).astype(np.float32).view(np.uint32),
        generator.normal(size=130).astype(np.float16).astype(np.float32).view(np.uint32),
    ]
    generator.shuffle(pieces)
    words = np.concatenate(pieces)
    encoded = codec.encode(words)
    assert np.array_equal(codec.decode(encoded, len(words), np.dtype("<u4")), words)
    assert len(encoded) < words.nbytes
    for place in generator.integers(0, len(encoded), 30):  # damage is found or gives other words, and never crashes
        broken = bytearray(encoded)
        broken[place] ^= 1 << int(generator.integers(8))
        with contextlib.suppress(BadArtifactError):
            assert len(codec.decode(bytes(broken), len(words), np.dtype("<u4"))) == len(words)
    with pytest.raises(BadArtifactError):
        codec.decode(encoded[:-1], len(words), np.dtype("<u4"))


def test_int8_weights_of_four_bits_take_four_bits_in_the_artifact(tmp_path) -> None:  # type: ignore[no-untyped-def]
    images = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3)).astype(np.uint8)
    context = Context(Task.from_arrays(images, np.arange(40) % 2, images, np.arange(40) % 2))
    sizes = {}
    for bits in (4, 8):
        outcome = Quantize(weights=Uniform(bits=bits), images=16).apply(_network(), context)
        artifact = export(outcome, tmp_path / f"{bits}.lissome", runtimes=["onnxruntime"], context=context)
        sizes[bits] = artifact.stored_kib("onnxruntime")
    assert sizes[4] < sizes[8] * 0.6


def test_the_numbers_of_codecs_stay() -> None:
    assert isinstance(CODECS[32], Spaced)
    assert isinstance(CODECS[33], ShortFloats)

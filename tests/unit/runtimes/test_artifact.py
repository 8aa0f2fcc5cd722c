from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.errors import BadArtifactError, EngineError, EngineMissingError, ShapeError, UnknownNameError
from lissome.core.preprocessing import Preprocessing
from lissome.exporting.export import export
from lissome.runtimes.artifact import Artifact, ArtifactSession, load
from lissome.runtimes.onnxruntime import OnnxRuntime

PREPROCESSING = Preprocessing(channels=3, height=5, width=7, mean=(0.2, 0.4, 0.6), std=(0.5, 1.0, 2.0))


class PoolTo1x1(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        return self.pool(self.conv(x))


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    path = tmp_path_factory.mktemp("artifact") / "tiny.lissome"
    torch.manual_seed(0)
    made = export(PoolTo1x1(), path, context=Context(example=torch.randn(2, 3, 5, 7)))
    return Artifact(path, replace(made.card, preprocessing=PREPROCESSING), made.contents)


@pytest.mark.parametrize("runtime", ["onnxruntime", "ncnn"])
def test_raw_pictures_and_prepared_input_give_the_same(artifact, runtime):
    session = artifact.session(runtime, threads=1)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    raw, prepared = session.run(pictures)[0], session.run(PREPROCESSING.apply(pictures))[0]
    assert np.array_equal(raw, prepared)
    assert raw.shape == (3, 4, 1, 1)  # as the source network; ncnn itself drops the ones
    assert session.describe().engine == runtime


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((3, 5, 7), np.float32),
        np.zeros((1, 5, 7, 3), np.float32),
        np.zeros((1, 3, 5, 8), np.float32),
        np.zeros((1, 3, 5, 7), np.float64),
        np.zeros((0, 3, 5, 7), np.float32),
        np.zeros((1, 3, 5, 7), np.uint8),
        np.zeros((1, 5, 7, 4), np.uint8),
        np.float32(1.0),
    ],
)
def test_another_shape_or_kind_is_refused_in_one_line(artifact, images):
    with pytest.raises(ShapeError, match=r"images are .*; give N x ") as caught:
        artifact.session("onnxruntime").run(images)
    assert "\n" not in str(caught.value)


def test_raw_pictures_need_preprocessing(artifact):
    bare = Artifact(artifact.path, replace(artifact.card, preprocessing=None), artifact.contents)
    with pytest.raises(ShapeError, match=r"1x5x7x3 uint8; give N x 3 x 5 x 7 float32$"):
        bare.session("onnxruntime").run(np.zeros((1, 5, 7, 3), np.uint8))


def test_another_number_of_inputs_is_refused(artifact):
    with pytest.raises(ShapeError, match="2 inputs were given; give 1"):
        artifact.session("onnxruntime").run(np.zeros((1, 3, 5, 7), np.float32), np.zeros((1, 3, 5, 7), np.float32))


def test_an_engine_that_returns_something_else_is_caught(artifact):
    class Odd:
        def run(self, *images):
            return (np.zeros((len(images[0]), 9), np.float32),)

        def describe(self):
            return artifact.session("onnxruntime").describe()

    with pytest.raises(EngineError, match=r"onnxruntime returned \(9,\) where the card says \(4, 1, 1\)"):
        ArtifactSession(Odd(), artifact.card).run(np.zeros((1, 3, 5, 7), np.float32))


def test_it_is_read_back_whole(artifact):
    again = load(artifact.path)
    assert again.contents == artifact.contents
    assert again.runtimes == ("onnxruntime", "ncnn")
    image = np.ones((1, 3, 5, 7), np.float32)
    assert np.array_equal(again.session("ncnn").run(image)[0], artifact.session("ncnn").run(image)[0])


def test_a_damaged_file_is_refused(artifact, tmp_path):
    path = tmp_path / "cut.lissome"
    path.write_bytes(artifact.path.read_bytes()[:-5])
    with pytest.raises(BadArtifactError, match="truncated"):
        load(path)


def test_an_engine_it_has_nothing_for_is_refused(artifact):
    for call in (artifact.session, artifact.size_kib):
        with pytest.raises(UnknownNameError, match="has nothing for 'torch'; it has onnxruntime, ncnn"):
            call("torch")


def test_an_engine_that_is_gone_says_the_pip_line(artifact, monkeypatch):
    monkeypatch.setattr(OnnxRuntime, "module", "an_engine_that_nobody_has")
    with pytest.raises(EngineMissingError, match="pip install onnxruntime"):
        artifact.session("onnxruntime")


def test_one_engines_files_can_be_taken_out(artifact, tmp_path):
    paths = artifact.extract("ncnn", tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["ncnn/model.param", "ncnn/model.bin"]
    assert sum(path.stat().st_size for path in paths) / 1024 == artifact.size_kib("ncnn")


def test_it_prints_as_a_table(artifact):
    text = str(artifact)
    assert text.startswith("tiny: 112 params, 1,620 MACs, compared on 2 example inputs")
    rows = [line.split() for line in text.splitlines()[3:] if ": " not in line]
    assert [row[0] for row in rows] == ["onnxruntime", "ncnn"]
    assert rows[0][2] == "float32"


def test_to_dict_is_plain(artifact):
    import json

    table = json.loads(json.dumps(artifact.to_dict()))
    assert table["params"] == 112
    assert table["engines"]["ncnn"]["files"] == ["ncnn/model.param", "ncnn/model.bin"]

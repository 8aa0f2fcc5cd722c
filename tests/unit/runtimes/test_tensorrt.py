"""What can be known of TensorRT without a GPU: how the plan is asked for, and what is refused."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lissome.core.errors import EngineError, EngineMissingError, SettingError
from lissome.exporting.to_onnx import to_onnx
from lissome.runtimes import tensorrt as tensorrt_file
from lissome.runtimes.protocol import SessionSettings
from lissome.runtimes.tensorrt import MOST_BATCH, TensorRt, build_plan


class Recorder:
    """Stands for the tensorrt module: keeps what it is asked, builds nothing."""

    __version__ = "10.9.0"

    def __init__(self, *, flags=("TF32", "FP16", "BF16", "INT8"), parses=True, shape=(-1, 3, 8, 8)):
        self.BuilderFlag = SimpleNamespace(**{one: one for one in flags})
        self.MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")
        self.set_flags, self.cleared, self.shapes, self.level = [], [], {}, None
        self.parses, self.inputs = parses, [SimpleNamespace(name="input", shape=shape)]
        self.config = SimpleNamespace(
            set_flag=self.set_flags.append,
            clear_flag=self.cleared.append,
            set_memory_pool_limit=lambda pool, size: None,
            add_optimization_profile=lambda profile: None,
        )

    def Builder(self, logger):  # noqa: N802 (its own names)
        network = SimpleNamespace(num_inputs=len(self.inputs), get_input=lambda place: self.inputs[place])
        profile = SimpleNamespace(set_shape=lambda name, *shapes: self.shapes.update({name: shapes}))
        return SimpleNamespace(
            create_network=lambda flags: network,
            create_builder_config=lambda: self.config,
            create_optimization_profile=lambda: profile,
            build_serialized_network=lambda network, config: b"plan" if self.parses != "no kernels" else None,
        )

    def OnnxParser(self, network, logger):  # noqa: N802
        return SimpleNamespace(
            parse=lambda graph: bool(self.parses), num_errors=1, get_error=lambda place: "no importer for Frobnicate"
        )


def settings(precision="float32", effort="3"):
    return SessionSettings(threads=1, precision=precision, options={"effort": effort})


@pytest.mark.parametrize(
    ("precision", "flags"), [("float32", []), ("float16", ["FP16"]), ("bfloat16", ["BF16"]), ("int8", ["INT8"])]
)
def test_the_precision_is_what_was_asked_for_and_never_tf32(precision, flags):
    engine = Recorder()
    assert build_plan(engine, None, b"graph", settings(precision, "5")) == b"plan"
    assert (engine.set_flags, engine.cleared) == (flags, ["TF32"])
    assert engine.config.builder_optimization_level == 5
    assert engine.shapes == {"input": ((1, 3, 8, 8), (1, 3, 8, 8), (MOST_BATCH, 3, 8, 8))}


def test_a_version_without_flags_takes_integers_from_the_graph_and_refuses_halves():
    engine = Recorder(flags=())
    assert build_plan(engine, None, b"graph", settings("int8")) == b"plan"
    with pytest.raises(SettingError, match=r"TensorRT 10\.9\.0 takes precision from the graph alone"):
        build_plan(engine, None, b"graph", settings("float16"))


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (Recorder(parses=False), "cannot read the graph: no importer for Frobnicate"),
        (Recorder(parses="no kernels"), "found no kernels"),
        (Recorder(shape=(-1, 3, -1, -1)), "needs fixed rows and columns, input has"),
    ],
)
def test_what_it_cannot_build_is_an_error(engine, message):
    with pytest.raises(EngineError, match=message):
        build_plan(engine, None, b"graph", settings())


@pytest.fixture
def folder(tmp_path):
    to_onnx(nn.Conv2d(3, 4, 3), (torch.randn(1, 3, 8, 8),), tmp_path / "a.onnx")
    TensorRt().convert(tmp_path / "a.onnx", tmp_path)
    return tmp_path


def test_the_graph_is_kept_and_offers_follow_the_version(folder, monkeypatch):
    assert (folder / "tensorrt" / "graph.onnx").read_bytes() == (folder / "a.onnx").read_bytes()
    monkeypatch.setattr(TensorRt, "_engine", lambda self: Recorder())
    assert TensorRt().offers(folder) == ("float32", "float16", "bfloat16")
    monkeypatch.setattr(TensorRt, "_engine", lambda self: Recorder(flags=("TF32",)))
    assert TensorRt().offers(folder) == ("float32",)


def test_without_a_gpu_it_is_refused_and_says_which_part_is_missing(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(tensorrt_file, "_DRIVER", tmp_path / "absent")
    monkeypatch.setattr(TensorRt, "module", "an_engine_that_nobody_has")
    with pytest.raises(EngineMissingError, match="tensorrt is not installed; pip install tensorrt"):
        TensorRt().load(folder)
    monkeypatch.setattr(TensorRt, "module", "json")
    assert not TensorRt().available()
    with pytest.raises(EngineMissingError, match="finds no NVIDIA GPU"):
        TensorRt().load(folder)


def test_threads_are_not_its_to_choose(folder, monkeypatch, tmp_path):
    (tmp_path / "driver").touch()
    monkeypatch.setattr(tensorrt_file, "_DRIVER", tmp_path / "driver")
    monkeypatch.setattr(TensorRt, "module", "json")
    monkeypatch.setattr(TensorRt, "_engine", lambda self: Recorder())
    with pytest.raises(SettingError, match="a GPU takes 1"):
        TensorRt().load(folder, threads=2)

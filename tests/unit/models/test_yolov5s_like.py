import pytest
import torch
from torch import nn

from lissome.core.context import Context
from lissome.exporting.export import export
from lissome.models.yolov5s_like import Focus, YoloV5sLike
from lissome.profiling.profile import profile
from lissome.runtimes.table import get_runtime

ENGINES = ("onnxruntime", "ncnn", "openvino", "mnn", "torch")


def small():
    torch.manual_seed(0)
    model = YoloV5sLike(classes=4, width=0.25).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model


def test_it_costs_what_yolov5s_costs():
    with torch.device("meta"):
        model = YoloV5sLike()
    assert sum(one.numel() for one in model.parameters()) == 7_276_605  # as release 5 prints
    assert profile(model, (1, 3, 640, 640)).macs == pytest.approx(17.1e9 / 2, rel=0.01)


def test_focus_keeps_every_pixel():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    stem = Focus(1, 4)
    stem.conv = nn.Identity()
    assert sorted(stem(image).flatten().tolist()) == list(range(16))


def test_sizes_that_are_multiples_of_32_are_free():
    model = small()
    for sides in ((64, 64), (96, 160)):
        places = 3 * sum(sides[0] // stride * (sides[1] // stride) for stride in (8, 16, 32))
        assert model(torch.randn(2, 3, *sides)).shape == (2, places, 9)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_agrees_in_two_sizes(engine, tmp_path):
    if not get_runtime(engine).available():
        pytest.skip(f"{engine} is not installed: pip install {get_runtime(engine).package}")
    context = Context(example=torch.randn(2, 3, 64, 64))
    artifact = export(small(), tmp_path / "a.lissome", runtimes=[engine], context=context, also=(3, 96, 128))
    assert artifact.card.engines[engine].parity["outputs"][0]["max_rel"] < 1e-4

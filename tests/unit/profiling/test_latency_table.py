import json

import pytest
import torch
from torch import nn

import lissome as ls
from lissome.core.module_graph import trace
from lissome.profiling.latency_table import LayerTimes, structure_key
from lissome.profiling.layer_kinds import LayerKind, kind_of, kinds_in
from lissome.profiling.profile import profile

KIND = LayerKind(kernel=(3, 3), padding=(1, 1), size=(8, 8))


@pytest.fixture
def path(tmp_path):
    cells = {(8, 8): 1.0, (8, 16): 2.0, (16, 16): 3.0, (17, 17): 9.0, (32, 32): 5.0}
    times = LayerTimes(
        engine="onnxruntime",
        engine_version="1",
        precision="float32",
        machine={"cpu": "x"},
        networks={"k": 1.5},
        kinds={KIND: cells, LayerKind(): {(4, 4): 0.5}},
    )
    times.write(tmp_path / "table.json")
    assert LayerTimes.from_dict(json.loads((tmp_path / "table.json").read_text())) == times
    return str(tmp_path / "table.json")


@pytest.mark.parametrize(
    ("reads", "makes", "ms"), [(8, 8, 1.0), (7, 3, 1.0), (8, 9, 2.0), (9, 8, 3.0), (17, 17, 9.0), (18, 17, 5.0)]
)
def test_an_unmeasured_width_takes_the_time_of_a_wider_layer(path, reads, makes, ms):
    assert ls.LatencyTable(path=path).lookup(KIND, reads, makes) == ms


@pytest.mark.parametrize(("kind", "reads"), [(KIND, 33), (LayerKind(groups=0, size=(8, 8)), 8)])
def test_what_was_not_measured_is_refused(path, kind, reads):
    with pytest.raises(ls.SettingError, match=f"knows no layer {kind} from {reads} to 8 channels"):
        ls.LatencyTable(path=path).lookup(kind, reads, 8)


def test_a_digest_means_one_content(path):
    table = ls.LatencyTable(path=path)
    assert ls.LatencyTable(path=path, digest=table.digest) == table
    with pytest.raises(ls.BadDataError, match=f"has the digest {table.digest}, not 0"):
        ls.LatencyTable(path=path, digest="0")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kinds": [{"ms": 3}]}'])
def test_a_file_that_is_no_table_is_refused(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(ls.BadDataError, match="is no table of layer times"):
        ls.LatencyTable(path=str(tmp_path / "bad.json"))
    with pytest.raises(ls.BadDataError, match="cannot be read"):
        ls.LatencyTable(path=str(tmp_path / "absent.json"))


def test_kinds_tell_what_time_depends_on():
    network = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, (1, 5), groups=8), nn.Conv2d(8, 12, 1, groups=4)),
        *(nn.Conv2d(12, 12, 3, padding="same"), nn.Conv2d(12, 24, 1, groups=12), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(24, 2)),
    )
    cost = profile(network, (1, 3, 16, 16))
    assert [(str(kind), reads, makes) for _, kind, reads, makes in kinds_in(network, cost)] == [
        ("3x3 stride 2x2 on 16x16", 3, 8),
        ("1x5 stride 1x1 depthwise on 8x8", 8, 8),
        ("1x1 stride 1x1 groups 4 on 8x4", 8, 12),
        ("fully connected", 24, 2),
    ]
    for row, kind, reads, makes in kinds_in(network, cost):
        built = kind.build(reads, makes)
        assert repr(built) == repr(network.get_submodule(row.layer))
        assert kind_of(built, row) == kind == LayerKind.from_dict(json.loads(json.dumps(kind.to_dict())))


def test_the_key_of_a_structure_is_that_of_its_traced_graph():
    network = ls.create("resnet20", seed=0)
    image = torch.zeros(1, 3, 32, 32)
    graph = trace(network)
    assert structure_key(network, profile(network, image)) == structure_key(graph, profile(graph, image))
    other = ls.create("resnet32", seed=0)
    assert structure_key(network, profile(network, image)) != structure_key(other, profile(other, image))

"""Files with known tensors in one text and one piece a tensor, and the card beside them."""

import zipfile

import numpy as np
import pytest
import torch
from torch import nn

import lissome as ls
from lissome.artifacts.archive import CARD, PACKED_CARD, read_archive
from lissome.artifacts.joined import MARK, pack_joined, unpack_joined
from lissome.artifacts.packing import pack
from lissome.artifacts.tensors import SMALLEST, Stretch, stretches_of
from lissome.core.errors import BadArtifactError


def _file(seed=0):
    """Return a file of forty shared tensors, forty small ones, and names between."""
    generator = np.random.default_rng(seed)
    parts, stretches, place = [], [], 0
    for number in range(40):
        shared = generator.standard_normal(8).astype(np.float32)[generator.integers(0, 8, 900)].tobytes()
        small = generator.normal(1, 0.2, 16).astype(np.float32).tobytes()
        between = f"stages.stage1.{number}.conv.weight Convolution".encode()
        for tensor, part in ((None, between), (f"w{number}", shared), (f"b{number}", small)):
            parts.append(part)
            stretches.append(Stretch(place, place + len(part), tensor))
            place += len(part)
    return b"".join(parts), stretches


def test_a_file_comes_back_and_is_shorter_than_piece_by_piece():
    data, stretches = _file()
    packed = pack_joined(data, stretches, SMALLEST)
    assert unpack_joined(packed, len(data)) == data
    tensors = [(one.start, one.stop) for one in stretches]
    assert len(packed) < 0.9 * len(pack(data, tensors))


@pytest.mark.parametrize("smallest", [1, 65, 10_000])
def test_whatever_counts_as_small_it_comes_back(smallest):
    data, stretches = _file(1)
    assert unpack_joined(pack_joined(data, stretches, smallest), len(data)) == data


def test_a_changed_byte_never_gives_a_longer_file_nor_another_error():
    data, stretches = _file(2)
    packed = pack_joined(data, stretches, SMALLEST)
    generator = np.random.default_rng(0)
    refused = 0
    for place in [*range(4, 80), *generator.integers(80, len(packed), 200).tolist()]:
        broken = bytearray(packed)
        broken[place] ^= int(generator.integers(1, 256))
        try:
            assert len(unpack_joined(bytes(broken), len(data))) == len(data)
        except BadArtifactError as error:
            assert "damaged" in str(error)
            refused += 1
    assert refused > 80
    for length in (0, 3, 10, 24, len(packed) // 2, len(packed) - 1):
        with pytest.raises(BadArtifactError, match="damaged"):
            unpack_joined(packed[:length], len(data))
    with pytest.raises(BadArtifactError, match="damaged"):
        unpack_joined(packed + b"x", len(data))
    for size in (len(data) - 1, len(data) + 1, len(data) << 20):
        with pytest.raises(BadArtifactError, match="damaged"):
            unpack_joined(packed, size)
    with pytest.raises(BadArtifactError, match="no mark"):
        unpack_joined(b"LSP1" + packed[4:], len(data))


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    torch.manual_seed(0)
    layers = []
    for _ in range(12):
        layers += [nn.Conv2d(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
    context = ls.Context(example=torch.rand(2, 32, 6, 6))
    outcome = ls.Recipe(ls.PruneWeights(sparsity=0.8, ends=True), ls.ClusterWeights(bits=3)).apply(
        nn.Sequential(*layers), context
    )
    path = tmp_path_factory.mktemp("joined") / "small.lissome"
    return ls.export(outcome, path, runtimes=["onnxruntime"], context=context)


def test_graph_and_card_of_an_artifact_are_packed_so(artifact):
    with zipfile.ZipFile(artifact.path) as file:
        names = file.namelist()
        graph = next(name for name in names if name.endswith(".onnx"))
        stored = file.read(graph)
    assert PACKED_CARD in names and CARD not in names
    assert stored.startswith(MARK)
    card, contents = read_archive(artifact.path)
    assert card == artifact.card
    plain = pack(contents[graph], [(one.start, one.stop) for one in stretches_of(graph, contents[graph])])
    assert len(stored) < len(plain)
    assert ls.load(artifact.path).card.params == artifact.card.params


def test_a_changed_byte_of_the_card_or_the_graph_is_refused(artifact, tmp_path):
    whole = artifact.path.read_bytes()
    generator = np.random.default_rng(1)
    for place in generator.integers(0, len(whole), 60).tolist():
        broken = bytearray(whole)
        broken[place] ^= 1 << int(generator.integers(8))
        path = tmp_path / "broken.lissome"
        path.write_bytes(bytes(broken))
        with pytest.raises(BadArtifactError):
            read_archive(path)


@pytest.mark.parametrize("length", [b"", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x10\x00\x00\x00"])
def test_a_card_of_a_false_length_is_refused(artifact, tmp_path, length):
    path = tmp_path / "card.lissome"
    with zipfile.ZipFile(artifact.path) as file, zipfile.ZipFile(path, "w") as made:
        for name in file.namelist():
            data = file.read(name)
            made.writestr(name, length + data[4:] if name == PACKED_CARD else data)
    with pytest.raises(BadArtifactError, match=r"card|damaged|corrupt"):
        read_archive(path)

"""500 damaged artifacts and 300 forged cards: a clear error or the very same contents, and never anything else."""

import json
import random
import warnings
import zipfile

import pytest
import torch
from torch import nn

from lissome.artifacts.archive import _write_zip
from lissome.artifacts.card import Tuning
from lissome.core.context import Context
from lissome.core.errors import BadArtifactError, LissomeError
from lissome.exporting.export import export
from lissome.runtimes.artifact import load


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "a.lissome"
    torch.manual_seed(0)
    return export(nn.Conv2d(3, 2, 1), path, runtimes=["onnxruntime"], context=Context(example=torch.randn(2, 3, 4, 4)))


def damaged(data, generator):
    """Return the bytes cut, flipped, overwritten, doubled, or with a part left out or put in."""
    kind = generator.randrange(7)
    place = generator.randrange(len(data))
    length = generator.choice([1, 2, 4, 16, 256])
    noise = generator.randbytes(length)
    return [
        lambda: data[:place],
        lambda: data[:place] + bytes([data[place] ^ 1 << generator.randrange(8)]) + data[place + 1 :],
        lambda: data[:place] + noise + data[place + length :],
        lambda: data[:place] + noise + data[place:],
        lambda: data[:place] + data[place + length :],
        lambda: data[place:],
        lambda: data[:place] + data,
    ][kind]()


def outcome(path):
    """Return the contents, or None for a clear refusal."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load(path).contents
    except BadArtifactError as error:
        assert "\n" not in str(error)
        assert str(error).startswith(str(path))
        return None


def test_five_hundred_damaged_artifacts(artifact, tmp_path):
    data, generator, path = artifact.path.read_bytes(), random.Random(1), tmp_path / "a.lissome"
    refused = 0
    for _ in range(500):
        path.write_bytes(damaged(data, generator))
        found = outcome(path)
        refused += found is None
        assert found is None or found == artifact.contents
    assert refused > 400  # a few bytes, such as time stamps, mean nothing


def forged(value, generator):
    """Return a JSON value with one part replaced by something of another kind."""
    strange = [None, True, -1, 1e300, "", "../../etc/passwd", "x" * 5000, [], {}, [[[]]], {"a": {}}]
    if isinstance(value, dict) and value and generator.random() < 0.8:
        key = generator.choice(list(value))
        if generator.random() < 0.1:
            return {name: one for name, one in value.items() if name != key}
        return {**value, key: forged(value[key], generator)}
    if isinstance(value, list) and value and generator.random() < 0.8:
        place = generator.randrange(len(value))
        return [*value[:place], forged(value[place], generator), *value[place + 1 :]]
    return generator.choice(strange)


def test_three_hundred_forged_cards(artifact, tmp_path):
    generator, path = random.Random(2), tmp_path / "a.lissome"
    card = artifact.card.to_dict()
    tuning = Tuning(
        engine="onnxruntime", precision="float32", threads=1, options={}, machine={}, fingerprint="0", candidates=({},)
    )
    card["tuning"] = {name: getattr(tuning, name) for name in Tuning.__slots__}
    card = json.loads(json.dumps(card))
    with zipfile.ZipFile(artifact.path) as file:
        stored = [(name, file.read(name)) for name in file.namelist() if name != "card.json"]
    tried = 0
    for _ in range(300):
        # Written as ours are, to the byte: else it is refused before anybody looks at what the card says.
        text = json.dumps(forged(card, generator), indent=1).encode()
        _write_zip(path, [("card.json", text), *stored])
        found = outcome(path)
        assert found is None or found == artifact.contents
        if found is not None and tried < 20:  # what was read can be used, or says what is wrong
            tried += 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read = load(path)
            try:
                read.session("onnxruntime").run(torch.zeros(1, 3, 4, 4).numpy())
            except LissomeError as error:
                assert "\n" not in str(error)
    assert tried == 20

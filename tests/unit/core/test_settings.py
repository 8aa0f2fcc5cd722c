import json
from dataclasses import dataclass, field

import torch
from torch import nn

from lissome.core.settings import fingerprint, hash_of_tensors, key_of, settings_of


@dataclass(frozen=True)
class Score:
    power: int = 1


@dataclass(frozen=True)
class Cut:
    keep: float
    score: Score = field(default_factory=Score)
    layers: tuple[str, ...] = ()
    exact: bool = True


def test_fields_at_their_default_are_left_out():
    assert settings_of(Cut(0.5)) == {"kind": "Cut", "keep": 0.5}
    assert settings_of(Cut(0.5, score=Score(1))) == {"kind": "Cut", "keep": 0.5}


def test_changed_fields_become_plain_values():
    table = settings_of(Cut(0.5, Score(2), ("a", "b"), exact=False))
    assert table == {
        "kind": "Cut",
        "keep": 0.5,
        "score": {"kind": "Score", "power": 2},
        "layers": ["a", "b"],
        "exact": False,
    }
    assert json.loads(json.dumps(table)) == table


def test_one_and_true_are_different_settings():
    assert settings_of(Cut(0.5, exact=1)) == {"kind": "Cut", "keep": 0.5, "exact": 1}


def test_a_module_is_named_by_class_and_weights():
    layer = nn.Linear(2, 2)
    table = settings_of({"teacher": layer})["teacher"]
    assert table == {"kind": "module", "class": "Linear", "weights": fingerprint(layer)}


def test_a_fingerprint_sees_values_shapes_types_and_structure():
    layer = nn.Linear(2, 3)
    twin = nn.Linear(2, 3)
    twin.load_state_dict(layer.state_dict())
    assert fingerprint(layer) == fingerprint(twin)
    with torch.no_grad():
        twin.weight[0, 0] += 1
    others = [twin, nn.Linear(3, 2), nn.Sequential(layer), layer.to(torch.bfloat16)]
    assert len({fingerprint(one) for one in others} | {fingerprint(layer.float())}) == 5


def test_a_hash_of_tensors_knows_where_one_ends():
    zeros = torch.zeros(4)
    hashes = {hash_of_tensors(zeros), hash_of_tensors(zeros[:2], zeros[:2]), hash_of_tensors(zeros.reshape(2, 2))}
    assert len(hashes) == 3
    assert hash_of_tensors(torch.tensor(True)) != hash_of_tensors(torch.tensor(False))
    assert hash_of_tensors(torch.arange(6).reshape(2, 3).T) == hash_of_tensors(torch.tensor([[0, 3], [1, 4], [2, 5]]))


def test_keys_do_not_depend_on_the_order_of_tables():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of(1, 2) != key_of(2, 1)

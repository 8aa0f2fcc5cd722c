import json
from dataclasses import replace

import pytest

from lissome.artifacts.card import Card, EngineEntry, card_from_json
from lissome.core.errors import BadArtifactError, SettingError
from lissome.core.preprocessing import Preprocessing

CARD = Card(
    name="tiny",
    params=10,
    macs=2**60,
    input_shapes=((3, 8, 8),),
    output_shapes=((4,), (2, 3, 3)),
    engines={"ncnn": EngineEntry(files=("a", "b"), precision="float32", version="1", parity={"samples": 2})},
    samples="noise",
    classes=4,
    preprocessing=Preprocessing(channels=3, height=8, width=8, mean=(0.1, 0.2, 0.3)),
    recipe={"kind": "Recipe", "steps": [{"kind": "FoldBatchNorm"}]},
    measurements={"accuracy": 0.1 + 0.2},
)


def test_a_card_comes_back_equal_to_the_last_digit():
    assert card_from_json(CARD.to_json()) == CARD
    assert card_from_json(replace(CARD, macs=None, preprocessing=None).to_json()).macs is None


def test_equal_cards_are_equal_bytes():
    assert CARD.to_json() == replace(CARD).to_json()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_json_lacks_is_refused(value):
    with pytest.raises(SettingError, match="cannot be written as JSON"):
        replace(CARD, measurements={"x": value}).to_json()


def changed(**fields):
    return json.dumps({**json.loads(CARD.to_json()), **fields}).encode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[]", "has format None"),
        (b"{}", "has format None"),
        (changed(format=5), "has format 5, this lissome reads 1, 2, 3 and 4; update lissome"),
        (changed(format="1"), "has format '1'"),
        (changed(params="many"), "params: "),
        (changed(params=1.5), "params: "),
        (changed(engines={"ncnn": {"files": "a"}}), "engines.ncnn.files: "),
        (changed(input_shapes=[["3"]]), "input_shapes.0.0: "),
        (changed(preprocessing={"channels": 3}), "preprocessing.height: "),
        (changed(preprocessing={"channels": 0, "height": 1, "width": 1}), "empty side"),
        (json.dumps({"format": 1}).encode(), "name: Field required"),
    ],
)
def test_a_bad_card_is_refused_in_one_line(text, reason):
    with pytest.raises(BadArtifactError) as caught:
        card_from_json(text)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)

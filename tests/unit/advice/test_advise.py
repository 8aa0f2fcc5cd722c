import json

import pytest
import torch
from torch import nn

from lissome.advice.advise import advise
from lissome.advice.measured import measured_int8_ms, measured_rows
from lissome.advice.rules import RULES
from lissome.compression.folding.fold_batch_norm import FoldBatchNorm
from lissome.core.context import Context
from lissome.core.errors import SettingError, UnknownNameError
from lissome.devices.device import Device
from lissome.profiling.profile import profile

THIS = Device(
    name="this",
    title="This machine",
    kind="cpu",
    peak_flops_per_s={"float32": 1e11},
    bytes_per_s=1e10,
    sources={"float32": "made up", "bytes_per_s": "made up"},
)
PLAIN = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
SHAPE = (1, 16, 32, 32)


def test_a_network_that_breaks_no_rule_is_told_so():
    found = advise(PLAIN, SHAPE, device="raspberry_pi_4")
    assert list(found) == []
    assert len(found) == 0
    assert set(found.kept) == set(RULES) - {"distinct_maps"}
    assert "breaks none of the 14 rules" in str(found)


def test_tips_come_with_the_greatest_gain_first_and_as_json():
    model = nn.Sequential(
        nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16), nn.SiLU(), nn.Conv2d(16, 128, 1), nn.BatchNorm2d(128)
    )
    found = advise(model, (1, 16, 56, 56), device="rtx_3080")
    gains = [tip.gain_ms or 0.0 for tip in found]
    assert len(gains) >= 3
    assert gains == sorted(gains, reverse=True)
    table = json.loads(json.dumps(found.to_dict()))
    assert table["device"] == "rtx_3080"
    assert table["tips"][0]["rule"] == found.tips[0].rule
    assert found.tips[0].layer in str(found)


def test_a_profile_brings_its_device_and_is_not_asked_what_it_cannot_know():
    cost = profile(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)), (1, 3, 32, 32), device="raspberry_pi_4")
    found = advise(cost)
    assert found.device == "raspberry_pi_4"
    reasons = {note.layer: note.reason for note in found.notes}
    assert "give the network" in reasons["folded_batch_norm"]
    assert "folded_batch_norm" not in found.kept


def test_following_a_tip_makes_it_go_away():
    model = nn.Sequential(nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16), nn.ReLU()).eval()
    before = advise(model, SHAPE, device="rtx_3080")
    (tip,) = [one for one in before if one.rule == "folded_batch_norm"]
    outcome = FoldBatchNorm().apply(model, Context(example=torch.zeros(SHAPE)))
    after = advise(outcome, SHAPE, device="rtx_3080")
    assert "folded_batch_norm" in after.kept
    # The gain that was promised is the gain that the profile of the new network shows.
    assert before.total_ms - after.total_ms == pytest.approx(tip.gain_ms, rel=0.02)


def test_measured_times_are_the_engines_and_add_up():
    model = nn.Sequential(nn.Conv2d(16, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 16, 3)).eval()
    cost = profile(model, SHAPE)
    times = measured_rows(model, cost, SHAPE, on="onnxruntime", seconds=0.05)
    by_layer = dict(zip([row.layer for row in cost.rows], times, strict=True))
    assert by_layer["0"] > 0
    assert by_layer["3"] > 0
    assert by_layer["1"] == by_layer["2"] == 0  # fused into the convolution


def test_integers_are_judged_by_their_measured_time():
    for on in ("onnxruntime", "ncnn"):
        assert measured_int8_ms(PLAIN, (SHAPE,), on=on, seconds=0.05) > 0
    assert measured_int8_ms(PLAIN, (SHAPE,), on="torch", seconds=0.05) is None  # it rounds, and computes in floats
    found = advise(PLAIN, SHAPE, device=THIS, measure="onnxruntime", seconds=0.05)
    assert found.basis == "measured"
    for tip in found:
        assert tip.basis == "measured"


def test_bad_input_is_refused():
    with pytest.raises(SettingError, match="no device is named"):
        advise(PLAIN, SHAPE)
    with pytest.raises(SettingError, match="input shape is not known"):
        advise(PLAIN, device="raspberry_pi_4")
    with pytest.raises(UnknownNameError, match="raspberry_pi_4"):
        advise(PLAIN, SHAPE, device="raspberry_pi_44")
    with pytest.raises(SettingError, match="only a network on this machine"):
        advise(PLAIN, SHAPE, device="raspberry_pi_4", measure="onnxruntime")

import json
import time

import pytest

from lissome.advice.recommend import Requirement, recommend
from lissome.core.errors import SettingError, UnknownNameError
from lissome.devices.device import Device
from lissome.models.catalog import CATALOG

SMALL = ["resnet20", "resnet32", "resnet56", "vgg16_cifar"]
THIS = Device(
    name="this",
    title="This machine",
    kind="cpu",
    peak_flops_per_s={"float32": 1e12},
    bytes_per_s=1e11,
    sources={"float32": "made up", "bytes_per_s": "made up"},
)


def test_the_front_is_what_nobody_beats_and_the_score_ranks():
    found = recommend("raspberry_pi_4", dataset="cifar10", models=SMALL)
    assert [one.score for one in found.within] == sorted((one.score for one in found.within), reverse=True)
    assert all(0 < one.score <= 1 for one in found.within)
    for one in found.within:
        beaten = any(
            other.latency_ms <= one.latency_ms and other.size_kib <= one.size_kib and other.top1 >= one.top1
            for other in found.within
            if other is not one
        )
        assert one.is_best == (not beaten)
    assert "resnet20" in [one.name for one in found.front]
    assert found.basis == "predicted"


def test_limits_are_kept_and_named_where_they_are_not():
    every = {one.name: one for one in recommend("raspberry_pi_4", dataset="cifar10", models=SMALL).candidates}
    limits = Requirement(max_ms=every["resnet32"].latency_ms, min_top1=92.0)
    found = recommend("raspberry_pi_4", limits, dataset="cifar10", models=SMALL)
    assert [one.name for one in found.within] == ["resnet32"]
    beyond = {one.name: one.beyond for one in found.candidates}
    assert beyond["resnet20"] == ("min_top1",)
    assert "max_ms" in beyond["resnet56"]
    assert json.loads(json.dumps(found.to_dict()))["front"] == ["resnet32"]
    none = recommend("raspberry_pi_4", Requirement(max_ms=1e-6), dataset="cifar10", models=SMALL)
    assert none.front == ()
    assert "no network keeps the limits" in str(none)


def test_with_a_limit_on_time_a_quicker_network_is_no_better():
    free = recommend("raspberry_pi_4", dataset="cifar10", models=["resnet20", "resnet56"])
    bound = recommend(
        "raspberry_pi_4", Requirement(max_ms=1e6, max_kib=1e9), dataset="cifar10", models=["resnet20", "resnet56"]
    )
    assert free.within[0].name == "resnet20"
    assert bound.within[0].name == "resnet56"  # the more accurate one


def test_sizes_are_in_the_devices_precision():
    (cpu,) = recommend("raspberry_pi_4", dataset="cifar10", models=["resnet20"]).candidates
    (npu,) = recommend("coral_edge_tpu", dataset="cifar10", models=["resnet20"]).candidates
    assert cpu.size_kib == pytest.approx(4 * CATALOG["resnet20"].params / 1024)
    assert npu.size_kib == pytest.approx(CATALOG["resnet20"].params / 1024)


def test_the_whole_catalog_is_predicted_in_seconds():
    started = time.process_time()
    found = recommend("raspberry_pi_4", Requirement(max_ms=30))
    assert time.process_time() - started < 60
    ranked = {one.name for one in found.candidates} | {one.layer for one in found.notes}
    assert ranked == {name for name, entry in CATALOG.items() if entry.dataset == "imagenet"}
    for one in found.candidates:
        assert one.params == CATALOG[one.name].params
        assert one.macs == CATALOG[one.name].macs
    # The chip does 13.5 GFLOPS, so what 30 ms can hold is known without any model of the rest.
    assert all(2 * one.macs <= 1.05 * 13.5e9 * 0.030 for one in found.within)
    assert len(found.families) > 2


def test_times_of_this_machine_are_measured():
    found = recommend(THIS, dataset="cifar10", models=["resnet20"], measure_on="onnxruntime", seconds=0.05)
    (one,) = found.candidates
    assert found.basis == "measured"
    assert found.engine == "onnxruntime"
    predicted = recommend(THIS, dataset="cifar10", models=["resnet20"]).candidates[0].latency_ms
    assert one.latency_ms > predicted
    # What cannot keep the limit even at the peak is not run.
    skipped = recommend(THIS, Requirement(max_ms=1e-5), dataset="cifar10", models=["resnet20"], measure_on="ncnn")
    assert skipped.candidates[0].latency_ms == predicted
    assert skipped.candidates[0].beyond == ("max_ms",)


def test_bad_input_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'raspberry_pi_4'"):
        recommend("raspbery_pi_4")
    with pytest.raises(UnknownNameError, match="did you mean 'imagenet'"):
        recommend("raspberry_pi_4", dataset="imagenett")
    with pytest.raises(UnknownNameError):
        recommend("raspberry_pi_4", models=["resnet2O"])
    with pytest.raises(SettingError, match="max_ms is 0"):
        Requirement(max_ms=0)
    with pytest.raises(SettingError, match="cannot be measured here"):
        recommend("raspberry_pi_4", measure_on="onnxruntime")

"""A bundle runs where there is neither lissome nor torch, by itself and through ssh."""

import getpass
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.errors import BadDataError, EngineError, SettingError, UnknownNameError
from lissome.exporting.export import export
from lissome.runtimes.artifact import load
from lissome.timing.bundle import bundle_of, pip_line, write_bundle
from lissome.timing.device import EngineFiles, ThisMachine, Turns
from lissome.timing.device_results import DeviceResults
from lissome.timing.remote import Remote

ENGINES = ("onnxruntime", "ncnn")
HIDE = """
import sys
for name in ("torch", "onnx", "rich", "pydantic", "safetensors"):
    sys.modules[name] = None
import runpy
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifacts")
    found = {}
    for width in (16, 4):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(width)
            network = nn.Sequential(
                nn.Conv2d(3, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3)
            )
            context = Context(example=torch.randn(4, 3, 8, 8))
        found[f"w{width}"] = export(network, folder / f"w{width}.lissome", runtimes=ENGINES, context=context)
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bundle_runs_without_lissome_and_torch(artifacts, engine, tmp_path):
    path = write_bundle(artifacts, tmp_path / "b.pyz", engine=engine, seconds=0.05)
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        [sys.executable, "-c", HIDE, str(path)], capture_output=True, text=True, check=True, cwd=tmp_path, env=bare
    )
    results = DeviceResults.from_json(ended.stdout, where="test")
    assert set(results.timing.samples_ms) == {"w16", "w4"}
    assert results.timing.baseline == "w16"
    assert all(one["max_rel"] < 1e-4 and one["top1_agreement"] == 1.0 for one in results.differences.values())
    assert engine in results.versions
    assert "speed-up" in str(results)
    results.write(tmp_path / "r.json")
    assert DeviceResults.read(tmp_path / "r.json") == results


def test_a_bundle_brings_no_more_of_lissome_than_it_imports(artifacts, tmp_path):
    path = write_bundle(artifacts, tmp_path / "b.pyz", engine="ncnn")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert "lissome/runtimes/ncnn.py" in names
    assert not any("onnxruntime" in one or "training" in one or one.endswith(".onnx") for one in names)
    assert write_bundle(artifacts, tmp_path / "c.pyz", engine="ncnn").read_bytes() == path.read_bytes()
    assert pip_line(artifacts.values(), "ncnn") == "pip install numpy ncnn"


def test_a_device_gets_the_bundle_and_sends_the_figures(artifacts, stand_in, tmp_path):
    path = write_bundle(artifacts, tmp_path / "b.pyz", engine="onnxruntime", seconds=0.05)
    results = Remote(url="ssh://me@there:22", python=sys.executable, ssh=stand_in).run(path)
    assert set(results.timing.samples_ms) == {"w16", "w4"}
    target = tmp_path / "w4.lissome"
    shutil.copy(artifacts["w4"].path, target)
    results.keep_in(target, "w4")
    (kept,) = load(target).card.measurements["devices"].values()
    assert kept["latency"] == results.timing.latency("w4").to_dict()
    assert kept["engine"] == "onnxruntime"
    with pytest.raises(BadDataError, match="it has w16, w4"):
        results.keep_in(target, "w5")


def test_what_fails_there_is_told_in_its_own_words(stand_in, tmp_path):
    (tmp_path / "b.pyz").write_bytes(b"no program")
    with pytest.raises(EngineError, match="the bundle did not run"):
        Remote(url="ssh://there", python=sys.executable, ssh=stand_in).run(tmp_path / "b.pyz")
    with pytest.raises(EngineError, match="ssh cannot be started"):
        Remote(url="ssh://there", ssh=("no-such-ssh",)).run(tmp_path / "b.pyz")


@pytest.mark.parametrize("url", ["pi@there", "ssh://-oProxyCommand=x", "ssh://a b", "ssh://there;rm", "ssh://@there"])
def test_addresses_that_are_none_are_refused(url):
    with pytest.raises(SettingError, match="is no device"):
        Remote(url=url)


def test_a_python_that_would_be_more_than_a_program_is_refused():
    with pytest.raises(SettingError, match="is no program"):
        Remote(url="ssh://there", python="python3; rm")


def test_bundles_of_nothing_or_of_strangers_are_refused(artifacts, tmp_path):
    with pytest.raises(SettingError):
        write_bundle({}, tmp_path / "b.pyz")
    with pytest.raises(UnknownNameError):
        write_bundle(artifacts, tmp_path / "b.pyz", engine="mnn")
    assert not (tmp_path / "b.pyz").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 9}', '{"format": 1, "samples_ms": {"a": [1]}}'])
def test_results_that_are_none_are_refused(text, tmp_path):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(BadDataError, match="is no result of a bundle"):
        DeviceResults.read(tmp_path / "r.json")
    with pytest.raises(BadDataError, match="cannot be read"):
        DeviceResults.read(tmp_path / "absent.json")


def test_a_bundle_runs_through_a_real_ssh_server(artifacts, loopback, tmp_path):
    port, ssh = loopback
    path = write_bundle(artifacts, tmp_path / "b.pyz", engine="onnxruntime", seconds=0.05)
    remote = Remote(url=f"ssh://{getpass.getuser()}@127.0.0.1:{port}", python=sys.executable, ssh=ssh)
    results = remote.run(path)
    assert json.loads(json.dumps(results.to_dict()))["candidates"]["w4"]["median_ms"] > 0
    assert remote.facts(["onnxruntime"]) == ThisMachine().facts(["onnxruntime"])


class Elsewhere(Remote):
    """A device whose answer is changed on its way."""

    change = staticmethod(lambda results: results)

    def run(self, bundle):
        return self.change(super().run(bundle))


def changed(stand_in, change):
    device = Elsewhere(url="ssh://there", python=sys.executable, ssh=stand_in)
    object.__setattr__(device, "change", change)
    return device


def files_of(artifacts, folder):
    inputs = (np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32),)
    return {name: EngineFiles.of(one, "onnxruntime", folder / name, inputs) for name, one in artifacts.items()}


def test_a_network_that_gives_other_outputs_there_is_declined(artifacts, stand_in, tmp_path):
    files = files_of(artifacts, tmp_path)
    turns = Turns(baseline="w16", seconds=0.05)
    seen = []

    def change(results):
        seen.append(results)
        return replace(results, differences={**results.differences, "w4": {"max_rel": 0.5, "top1_agreement": 1.0}})

    timed = changed(stand_in, change).time(files, turns)
    assert seen[0].differences["w4"]["max_rel"] < 1e-4
    assert "other outputs there" in timed.declined["w4"]
    with pytest.raises(EngineError, match="w4 gives other outputs"):
        timed.require()
    with pytest.raises(EngineError, match="w4 gives other outputs"):
        changed(stand_in, change).time(files, replace(turns, baseline="w4"))


def test_a_network_that_does_not_load_there_is_declined_and_the_others_are_timed(artifacts, stand_in, tmp_path):
    files = files_of(artifacts, tmp_path)
    bundle = bundle_of(files, tmp_path / "b.pyz", Turns(baseline="w16", seconds=0.05))
    broken = tmp_path / "broken.pyz"
    with zipfile.ZipFile(bundle) as before, zipfile.ZipFile(broken, "w") as after:
        for name in before.namelist():
            is_second = name.startswith("networks/1/")
            after.writestr(name, b"no network" if is_second else before.read(name))
    results = Remote(url="ssh://there", python=sys.executable, ssh=stand_in).run(broken)
    assert set(results.timing.samples_ms) == {"w16"}
    assert "onnxruntime refuses the network" in results.declined["w4"]
    assert "w4 does not run there" in str(results)

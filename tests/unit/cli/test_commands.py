"""Commands print what they promise; with --json one document and nothing else."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lissome.cli import main
from lissome.cli.options import counts_of, names_of, shape_of
from lissome.core.errors import SettingError
from lissome.exporting.to_onnx import to_onnx
from lissome.models.catalog import CATALOG
from lissome.runtimes.artifact import load

Run = Callable[[str], str]

TINY = "\n".join(
    [
        "from torch import nn",
        "def build():",
        "    return nn.Sequential(",
        "        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),",
        "        nn.Conv2d(16, 16, 3, padding=1, stride=2), nn.BatchNorm2d(16), nn.ReLU(),",
        "        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2),",
        "    )",
    ]
)
RECIPE = """
[[steps]]
kind = "PruneChannels"
keep = 0.5

[[steps]]
kind = "Train"
epochs = 1
batch_size = 16
teacher = "original"

[[steps]]
kind = "Quantize"
images = 16
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line and return what it printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(TINY)
    (tmp_path / "r.toml").write_text(RECIPE)
    generator = np.random.default_rng(0)
    labels = np.arange(80) % 2
    images = (generator.integers(0, 100, (80, 8, 8, 3)) + 100 * labels[:, None, None, None]).astype(np.uint8)
    np.savez(tmp_path / "d.npz", images=images, labels=labels)

    def call(line: str) -> str:
        monkeypatch.setattr(sys, "argv", ["lissome", *line.split()])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 0
        return capsys.readouterr().out

    return call


def test_list_models_is_an_array_of_the_catalog(run: Run) -> None:
    rows = json.loads(run("list models --json"))
    assert [one["name"] for one in rows] == list(CATALOG)
    assert all({"name", "params", "macs", "input"} <= set(one) for one in rows)
    assert rows[0]["params"] == CATALOG[rows[0]["name"]].params


@pytest.mark.parametrize("table", ["steps", "runtimes", "devices"])
def test_other_tables(run: Run, table: str) -> None:
    names = [one["name"] for one in json.loads(run(f"list {table} --json"))]
    text = run(f"list {table}")
    assert names
    assert all(name in text for name in names)


def test_profile_counts_to_the_unit(run: Run) -> None:
    cost = json.loads(run("profile resnet20 --json"))
    assert (cost["params"], cost["macs"]) == (269722, 40551040)
    assert "269,722" in run("profile resnet20")


def test_doctor(run: Run) -> None:
    report = json.loads(run("doctor --json"))
    assert {"machine", "versions", "engines"} == set(report)
    assert "onnxruntime" in run("doctor")


def test_export_then_bench(run: Run, tmp_path: Path) -> None:
    exported: dict[str, Any] = json.loads(
        run("export my.py:build --input 1x3x8x8 --on onnxruntime --out x.lissome --json")
    )
    assert exported["params"] == (3 * 9 + 1) * 16 + 2 * 16 + (16 * 9 + 1) * 16 + 2 * 16 + 17 * 2
    cells = json.loads(run("bench x.lissome --seconds 0.1 --json"))["cells"]
    assert [one["runtime"] for one in cells] == ["onnxruntime"]
    assert cells[0]["latency"]["median_ms"] > 0
    assert load(tmp_path / "x.lissome").session("onnxruntime").run(np.zeros((2, 3, 8, 8), np.float32))[0].shape == (
        2,
        2,
    )


def test_compress_writes_artifact_and_report_and_forgets_its_run(run: Run, tmp_path: Path) -> None:
    line = "compress my.py:build --data d.npz --recipe r.toml --on onnxruntime --out x.lissome --report x.html"
    table = json.loads(run(f"{line} --json"))
    assert table["compressed"]["params"] < table["original"]["params"]
    assert table["compressed"]["precision"] == {"onnxruntime": "int8"}
    assert set(table["original"]["accuracy"]) == {"onnxruntime"}
    interval = table["speedup"]["onnxruntime"]
    assert interval["low"] <= interval["ratio"] <= interval["high"]
    assert [one["step"] for one in table["outcome"]["parts"]] == ["PruneChannels", "Train", "Quantize"]
    artifact = load(tmp_path / "x.lissome")
    assert artifact.card.measurements["speedup"] == table["speedup"]
    assert artifact.session("onnxruntime").run(np.zeros((1, 8, 8, 3), np.uint8))[0].shape == (1, 2)
    assert (tmp_path / "x.html").read_text().lstrip().lower().startswith("<!doctype html>")
    assert not (tmp_path / "x.lissome.run").exists()


def test_compress_with_a_limit_searches_and_keeps_its_records(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed")
    line = "compress my.py:build --data d.npz --on onnxruntime --max-drop 90% --budget 2t --preset mobile --seed 1"
    table = json.loads(run(f"{line} --out x.lissome --report x.html --json"))
    assert len(table["trials"]) == 2
    assert table["limit"] == {"max_drop": 0.9}
    assert table["comparison"]["reproduce"] == [
        "lissome compress my.py:build --data d.npz --on onnxruntime --max-drop 90% --budget 2t --preset mobile "
        "--seed 1 --out x.lissome",
        "lissome compress my.py:build --data d.npz --recipe x.toml --on onnxruntime --seed 1 --out again-x.lissome",
        "lissome watch x.lissome.run --once --page x.html",
    ]
    assert load(tmp_path / "x.lissome").card.measurements["speedup"] == table["comparison"]["speedup"]
    assert (tmp_path / "x.toml").read_text() == table["winner"]["recipe_toml"]
    assert "trial-0-short" in (tmp_path / "x.html").read_text()
    state = json.loads(run("watch x.lissome.run --json"))
    assert state == table
    assert "trial" in run("watch x.lissome.run --once --page w.html")
    assert 'http-equiv="refresh"' not in (tmp_path / "w.html").read_text()
    (tmp_path / "x.lissome.run" / "result.json").unlink()
    run("watch x.lissome.run --once --page w.html")
    assert '<meta http-equiv="refresh" content="5">' in (tmp_path / "w.html").read_text()


def test_compress_measures_on_the_device(run: Run, stand_in: tuple[str], tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed")
    reach = f"--device ssh://there --python {sys.executable} --ssh {stand_in[0]}"
    line = f"compress my.py:build --data d.npz --on onnxruntime --without-labels --budget 1t {reach} --out x.lissome"
    table = json.loads(run(f"{line} --json"))
    plan = json.loads((tmp_path / "x.lissome.run" / "plan.json").read_text())
    assert plan["device"] == {"kind": "Remote", "url": "ssh://there", "python": sys.executable, "ssh": list(stand_in)}
    assert reach in table["comparison"]["reproduce"][0]
    assert table["final"]["latency_ms"] > 0


def test_quantize_stays_within_the_budget_on_the_engine(run: Run, tmp_path: Path) -> None:
    line = "quantize my.py:build --data d.npz --on onnxruntime --out q.lissome --max-drop 5% --bits 4"
    table = json.loads(run(f"{line} --images 32 --calibrator percentile --equalize --round --json"))
    parts = table["outcome"]["parts"]
    assert [one["step"] for one in parts] == ["EqualizeLayers", "QuantizeWithin"]
    figures = parts[1]["measurements"]
    assert figures["val_metric_on"]["onnxruntime"] >= figures["val_metric_float"] - 0.05
    assert figures["val_metric"] >= figures["val_metric_float"] - 0.05
    assert table["compressed"]["precision"] == {"onnxruntime": "int8" if figures["layers_quantized"] else "float32"}
    assert load(tmp_path / "q.lissome").session("onnxruntime").run(np.zeros((1, 8, 8, 3), np.uint8))[0].shape == (1, 2)


def test_the_page_of_quantize_shows_how_many_images_calibrate(run: Run, tmp_path: Path) -> None:
    line = "quantize my.py:build --data d.npz --on onnxruntime --out q.lissome --max-drop 50% --report q.html --json"
    parts = json.loads(run(line))["outcome"]["parts"]
    assert [one["step"] for one in parts] == ["CalibrationScan", "QuantizeWithin"]
    scan = parts[0]["measurements"]["calibration"]
    assert len(scan["metric"]) == len(scan["images"]) > 1
    assert "How many images calibrate" in (tmp_path / "q.html").read_text()


def test_quantize_needs_no_data(run: Run, tmp_path: Path) -> None:
    line = "quantize my.py:build --calibrator data_free --input 3x8x8 --equalize --on onnxruntime --out q.lissome"
    table = json.loads(run(f"{line} --report q.html --json"))
    assert [one["step"] for one in table["outcome"]["parts"]] == ["EqualizeLayers", "Quantize", "CorrectBias"]
    assert table["compressed"]["precision"] == {"onnxruntime": "int8"}
    assert (table["original"]["accuracy"], table["test_images"]) == ({}, 0)
    assert table["speedup"]["onnxruntime"]["rounds"] > 0
    assert "accuracy was not measured, since there are no data" in table["warnings"]
    assert "accuracy was not measured" in (tmp_path / "q.html").read_text()
    assert load(tmp_path / "q.lissome").card.measurements["compressed"]["latency_ms"]["onnxruntime"] > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--data d.npz --max-drop much", "--max-drop: 'much' is no share"),
        ("--data d.npz --calibrator minmax", "did you mean 'min_max'"),
        ("", "--data: is missing; give sample, cifar10, a folder or an .npz file, or --calibrator data_free"),
        ("--calibrator data_free --input 3x8x8 --max-drop 1%", "--max-drop: needs data"),
        ("--calibrator data_free --input 3x8x8 --round", "--round: needs data"),
        ("--calibrator data_free --input 3x8x8 --mean 0.5,0.5 --std 0.2,0.2,0.2", "--mean and --std: "),
        ("--calibrator data_free", "the input shape is not known"),
    ],
)
def test_quantize_refuses_in_one_line(
    options: str,
    said: str,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = f"lissome quantize my.py:build --out q.lissome {options}"
    monkeypatch.setattr(sys, "argv", line.split())
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "q.lissome").exists()


def test_quantize_takes_an_onnx_file_and_pictures(run: Run, tmp_path: Path) -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))
    to_onnx(body, (torch.zeros(1, 3, 12, 12),), tmp_path / "float.onnx")
    (tmp_path / "pictures").mkdir()
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 255, (14, 12, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"pictures/{number}.png")
    line = "quantize float.onnx --data pictures --mean 0.5 --std 0.5 --out q.lissome --measure 0.05"
    table = json.loads(run(f"{line} --json"))
    assert [one["applied"] for one in table["layers"]] == [True, True, True, False]
    assert table["calibration_images"] == 6
    assert table["judged_on_images"] == 2
    assert table["cosine"]["output"] > 0.99
    assert table["measured"]["onnxruntime"]["baseline"] == "before"
    assert load(tmp_path / "q.lissome").card.engines["onnxruntime"].precision == "int8"
    assert not list(tmp_path.glob("*.graph.onnx"))


def test_quantize_writes_nothing_that_is_too_slow(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    to_onnx(nn.Conv2d(3, 2, 1), (torch.zeros(1, 3, 8, 8),), tmp_path / "float.onnx")
    np.savez(tmp_path / "inputs.npz", inputs=np.random.default_rng(0).random((6, 3, 8, 8), np.float32))
    line = "lissome quantize float.onnx --data inputs.npz --out q.onnx --measure 0.05 --require-speedup 1000"
    monkeypatch.setattr(sys, "argv", line.split())
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "not surely 1000x" in capsys.readouterr().err
    assert not (tmp_path / "q.onnx").exists()


def test_shapes_names_and_counts() -> None:
    assert shape_of("3x8x9") == (1, 3, 8, 9)
    assert names_of("a, b,a", "--on") == ("a", "b")
    assert counts_of("1,2", "--threads") == (1, 2)
    with pytest.raises(SettingError, match="--on"):
        names_of(" ,", "--on")
    with pytest.raises(SettingError, match="--threads"):
        counts_of("0", "--threads")


def test_profile_in_torchstats_convention(run: Run) -> None:
    table = json.loads(run("profile vgg16 --input 1x3x224x224 --convention torchstat --json"))
    assert (table["params"], table["madd"], table["flops"]) == (138_357_544, 30_958_666_264, 15_503_489_024)
    rows = {row["layer"]: row for row in table["rows"]}
    assert rows["features.0"]["madd"] == 173_408_256
    assert rows["classifier.0"]["madd"] == 205_516_800


def test_profile_with_torchstats_duration(run: Run) -> None:
    rows = json.loads(run("profile resnet20 --convention torchstat --measure --json"))["rows"]
    assert all(row["measured_ms"] > 0 for row in rows if row["kind"] == "Conv2d")
    assert "duration %" in run("profile resnet20 --measure --batch 2 --depth 1")


def test_profile_on_a_device_with_a_file_of_lines(run: Run, tmp_path: Path) -> None:
    text = run("profile my.py:build --input 1x3x8x8 --device raspberry_pi_4 --batch 2 --sort ms --top 2 --csv t.csv")
    assert "Raspberry Pi 4 Model B" in text
    assert "input 2x3x8x8" in text
    head, *lines = (tmp_path / "t.csv").read_text().splitlines()
    assert head.startswith("layer,kind,output,params,macs,flops")
    assert len(lines) == 3


def test_profile_with_two_inputs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(
        "from torch import nn\nclass Net(nn.Module):\n    def forward(self, x, y):\n        return x @ y\n"
    )
    table = json.loads(run("profile two.py:Net --input 2x3,3x4 --json"))
    assert table["inputs"] == [[2, 3], [3, 4]]
    assert table["flops"] == 2 * 4 * 5


def test_advise_prints_one_document(run: Run) -> None:
    table = json.loads(run("advise mobilenet_v2 --device rtx_3080 --json"))
    assert table["name"] == "mobilenet_v2"
    assert "no_depthwise_on_accelerators" in [one["rule"] for one in table["tips"]]
    assert "on cortex_m7" in run("advise my.py:build --input 1x3x8x8 --device cortex_m7")


def test_measure_prints_layers_or_batches(run: Run) -> None:
    table = json.loads(run("measure my.py:build --input 1x3x8x8 --on torch,onnxruntime --seconds 0.02 --json"))
    assert [one["runtime"] for one in table["engines"]] == ["torch", "onnxruntime"]
    assert len(table["engines"][0]["layer_times"]) == 9
    text = run("measure my.py:build --input 1x3x8x8 --seconds 0.02 --sort time --top 1")
    assert "more layers" in text
    rates = json.loads(run("measure my.py:build --input 1x3x8x8 --on torch --batches 1,2 --seconds 0.02 --json"))
    assert [one["batch"] for one in rates["throughput"]] == [1, 2]


def test_ghosts_write_a_page(run: Run, tmp_path: Path) -> None:
    table = json.loads(run("ghosts my.py:build --data d.npz --images 4 --html g.html --json"))
    assert [one["layer"] for one in table["ghost_layers"]] == ["0", "3"]
    assert "<img " in (tmp_path / "g.html").read_text()


def test_partition_shows_the_cuts_and_runs_a_users_function(run: Run, tmp_path: Path) -> None:
    lines = [
        "import torch",
        "from torch import nn",
        "class Plugged(nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        "        self.stem = nn.Conv2d(3, 4, 3)",
        "    def forward(self, x):",
        "        return torch.relu(torch.special.bessel_j1(self.stem(x)))",
        "def plugins():",
        "    return {'special_bessel_j1': lambda x: torch.special.bessel_j1(torch.from_numpy(x)).numpy()}",
    ]
    (tmp_path / "cut.py").write_text("\n".join(lines))
    line = "partition cut.py:Plugged --on ncnn --input 1x3x8x8"
    assert "3 parts" in run(line)
    table = json.loads(run(f"{line} --plugins cut.py:plugins --json"))
    assert [one["engine"] for one in table["parts"]] == ["ncnn", "plug-in", "ncnn"]
    assert table["parts"][1]["crossing_kib"] == pytest.approx(4 * 6 * 6 * 4 / 1024)
    assert table["parity"]["passed"] is True


def test_recommend_prints_one_document(run: Run) -> None:
    line = "recommend --device raspberry_pi_4 --dataset cifar10 --models resnet20,resnet56 --max-ms 10"
    table = json.loads(run(f"{line} --json"))
    assert table["front"] == ["resnet20"]
    assert "front: resnet20" in run(line)


def test_compare_prints_one_document(run: Run) -> None:
    table = json.loads(run("compare resnet56 resnet20 --json"))
    figures = {one["name"]: one for one in table["quantities"]}
    assert figures["MACs"]["factor"] == pytest.approx(125_485_696 / 40_551_040)
    assert table["names"] == ["resnet56", "resnet20"]


def test_build_verify_and_bench_speak_json_alone(run: Run) -> None:
    built = json.loads(
        run("build my.py:build --data d.npz --engines onnxruntime,ncnn --seconds 0.2 --out t.lissome --json")
    )
    assert built["candidates"][0]["chosen"] is True
    assert {one["precision"] for one in built["candidates"]} >= {"float32", "bfloat16", "int8"}
    verified = json.loads(run("verify t.lissome --seconds 0.1 --json"))
    assert verified["passed"] is True
    assert verified["engines"][0]["stored_ms"] == built["candidates"][0]["median_ms"]
    again = json.loads(run("build --retune t.lissome --seconds 0.2 --json"))
    assert any(one["chosen"] for one in again["candidates"])
    cells = json.loads(run("bench --models resnet20 --engines onnxruntime --seconds 0.1 --loops 3 --json"))["cells"]
    assert [(one["name"], one["precision"], one["reason"]) for one in cells] == [("resnet20", "float32", "")]
    assert "t: all hashes are right" in run("verify t.lissome --seconds 0.1")

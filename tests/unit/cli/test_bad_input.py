"""Bad input is one line that says what, where and what to do, exit code 2, and nothing is written."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from lissome.cli import main
from lissome.models.create import create

Refusal = Callable[[str], str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refusal:
    """Run a command line that must be refused, and return its one line."""
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> str:
        before = files(tmp_path)
        monkeypatch.setattr(sys, "argv", ["lissome", *line.split()])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        errors = [one for one in captured.err.splitlines() if one.startswith("lissome: ")]
        assert stop.value.code == 2
        assert captured.out == ""
        assert len(errors) == 1
        assert "Traceback" not in captured.err
        assert files(tmp_path) == before
        return errors[0]

    return run


def files(folder: Path) -> list[Path]:
    """What is there, but for what Python keeps and for the finished steps of a run."""
    return [one for one in sorted(folder.rglob("*")) if "__pycache__" not in one.parts and ".run" not in str(one)]


def pictures(folder: Path, classes: int) -> None:
    for number in range(classes):
        place = folder / f"class_{number}"
        place.mkdir(parents=True)
        for one in range(10):
            Image.new("RGB", (8, 8), (number * 50, one, 0)).save(place / f"{one}.png")


def test_unknown_model_suggests(refused: Refusal) -> None:
    assert "or 'resnet20'" in refused("profile resnet2O --json")


def test_unknown_table(refused: Refusal) -> None:
    assert "did you mean 'models'" in refused("list model")


def test_weights_that_do_not_fit_name_the_key(refused: Refusal, tmp_path: Path) -> None:
    save_file(create("resnet32").state_dict(), tmp_path / "w.safetensors")
    line = refused("compress resnet20 --data sample --weights w.safetensors --out x.lissome")
    assert "stages" in line


def test_weights_that_are_not_there(refused: Refusal) -> None:
    assert "w.pt" in refused("compress resnet20 --data sample --weights w.pt --out x.lissome")


def test_nan_weights_name_the_tensor(refused: Refusal, tmp_path: Path) -> None:
    weights = create("resnet20").state_dict()
    weights["classifier.bias"][3] = torch.nan
    save_file(weights, tmp_path / "w.safetensors")
    line = refused("export resnet20 --weights w.safetensors --out x.lissome")
    assert "classifier.bias" in line
    assert "1 of 10" in line


@pytest.mark.parametrize("shape", ["32x32", "1x3x0x32", "three", "1x3x32x32x1"])
def test_an_input_that_is_no_shape(refused: Refusal, shape: str) -> None:
    assert "no input shape" in refused(f"profile resnet20 --input {shape}")


def test_wrong_input_shape_names_the_layer(refused: Refusal) -> None:
    assert "stem.conv" in refused("profile resnet20 --input 1x4x32x32")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--device rasberry_pi_4", "did you mean 'raspberry_pi_4'"),
        ("--batch -1", "batch is -1; choose at least 1"),
        ("--batch 0", "batch is 0; choose at least 1"),
        ("--convention thop", "choose one of macs, formula, torchstat"),
        ("--sort mac", "did you mean 'macs'"),
        ("--sort ms", "no figure is called 'ms'"),
        ("--top 0", "choose at least 1"),
        ("--depth -2", "choose at least 1"),
        ("--input 1x3x32x32,1x3", "got 2 inputs"),
        ("--input 1x3x32x32,", "holds no input shapes"),
        ("--csv folder_that_is_not/../file.csv/x.csv --sort mac", "did you mean 'macs'"),
    ],
)
def test_a_profile_that_cannot_be(refused: Refusal, options: str, message: str) -> None:
    assert message in refused(f"profile resnet20 {options}")


def test_a_table_that_cannot_be_written(refused: Refusal, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused("profile resnet20 --csv file/x.csv")
    assert "cannot be written" in refused("profile resnet20 --html file/x.html")


def test_a_forward_that_fails_is_one_line(refused: Refusal, tmp_path: Path) -> None:
    lines = [
        "from torch import nn",
        "class Net(nn.Module):",
        "    def forward(self, x):",
        "        return x.view(7, 7)",
    ]
    (tmp_path / "my.py").write_text("\n".join([*lines, "build = Net"]))
    assert "view: the forward fails" in refused("profile my.py:build --input 1x3x8x8")


def test_absent_data(refused: Refusal) -> None:
    assert "photos" in refused("compress resnet20 --data photos --input 3x8x8 --out x.lissome")


def test_no_data(refused: Refusal) -> None:
    assert "--data" in refused("compress resnet20 --out x.lissome")


def test_empty_folder(refused: Refusal, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert "photos" in refused("compress resnet20 --data photos --input 3x8x8 --out x.lissome")


def test_a_folder_needs_a_size(refused: Refusal, tmp_path: Path) -> None:
    pictures(tmp_path / "photos", 2)
    assert "--input" in refused("compress resnet20 --data photos --out x.lissome")


def test_one_class(refused: Refusal, tmp_path: Path) -> None:
    pictures(tmp_path / "photos", 1)
    assert "class" in refused("compress resnet20 --data photos --input 3x8x8 --out x.lissome")


def test_an_unreadable_picture_is_named(refused: Refusal, tmp_path: Path) -> None:
    pictures(tmp_path / "photos", 2)
    (tmp_path / "photos" / "class_1" / "3.png").write_bytes(b"no picture")
    assert "3.png" in refused("compress resnet20 --data photos --input 3x8x8 --out x.lissome")


def test_images_of_mixed_sizes(refused: Refusal, tmp_path: Path) -> None:
    images = np.empty(20, object)
    for place in range(20):
        images[place] = np.zeros((8 + place % 2, 8, 3), np.uint8)
    np.savez(tmp_path / "d.npz", images=images, labels=np.arange(20) % 2)
    assert "d.npz" in refused("compress resnet20 --data d.npz --out x.lissome")


def test_a_corrupt_artifact(refused: Refusal, tmp_path: Path) -> None:
    (tmp_path / "x.lissome").write_bytes(b"PK\x03\x04 and nothing")
    assert "x.lissome" in refused("bench x.lissome")


def test_an_absent_artifact(refused: Refusal) -> None:
    assert "no such file" in refused("bench x.lissome")


def test_an_unknown_engine(refused: Refusal) -> None:
    assert "did you mean 'ncnn'" in refused("export resnet20 --on nccn --out x.lissome")


def test_an_engine_that_is_not_installed(refused: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    from lissome.runtimes.ncnn import Ncnn

    monkeypatch.setattr(Ncnn, "module", "ncnn_that_is_absent")
    assert "pip install" in refused("export resnet20 --on ncnn --out x.lissome")
    assert "pip install" in refused("compress resnet20 --data sample --on ncnn --out x.lissome")


def test_an_untraceable_model_names_the_line(refused: Refusal, tmp_path: Path) -> None:
    text = "\n".join(
        [
            "from torch import nn",
            "class Net(nn.Module):",
            "    def __init__(self):",
            "        super().__init__()",
            "        self.conv = nn.Conv2d(3, 8, 3)",
            "    def forward(self, x):",
            "        if x.sum() > 0:",
            "            return self.conv(x)",
            "        return x",
            "build = Net",
        ]
    )
    (tmp_path / "my.py").write_text(text)
    line = refused("profile my.py:build --input 1x3x8x8")
    assert "my.py:7" in line
    assert "if x.sum() > 0" in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("build = 3", "no function"),
        ("def build(): return 3", "int"),
        ("def build(): return 1 / 0", "my.py:1"),
        ("def build(:", "SyntaxError"),
    ],
)
def test_a_file_that_gives_no_model(refused: Refusal, tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "my.py").write_text(text)
    assert expected in refused("profile my.py:build --input 1x3x8x8")


def test_a_file_that_is_not_there(refused: Refusal) -> None:
    assert "my.py: no such file" in refused("profile my.py:build --input 1x3x8x8")


def test_a_recipe_with_an_unknown_step(refused: Refusal, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('[[steps]]\nkind = "PruneChanels"\n')
    line = refused("compress resnet20 --data sample --recipe r.toml --out x.lissome")
    assert "did you mean 'PruneChannels'" in line


def test_an_interrupted_run_asks_for_resume(refused: Refusal, tmp_path: Path) -> None:
    (tmp_path / "x.lissome.run" / "steps").mkdir(parents=True)
    assert "--resume" in refused("compress resnet20 --data sample --out x.lissome")


def test_a_folder_that_cannot_be_written(refused: Refusal, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in refused("export resnet20 --on onnxruntime --out file/x.lissome")


def test_advice_needs_a_device_that_exists(refused: Refusal) -> None:
    assert "did you mean 'raspberry_pi_4'" in refused("advise resnet20 --device raspbery_pi_4")
    assert "--device: is missing" in refused("advise resnet20")
    assert "or 'resnet20'" in refused("advise resnet2O --device raspberry_pi_4 --json")
    assert "only a network on this machine" in refused("advise resnet20 --device raspberry_pi_4 --measure")


def test_an_engine_without_clocks_is_named(refused: Refusal) -> None:
    assert "choose of torch, onnxruntime, ncnn" in refused("measure resnet20 --on onnxruntime,openvino")
    assert "did you mean 'onnxruntime'" in refused("measure resnet20 --on onnxruntim --batches 1")
    assert "no list of whole numbers" in refused("measure resnet20 --batches 1,0")
    assert "no device is called" in refused("measure resnet20 --device pi")


def test_a_users_network_needs_an_input_shape(refused: Refusal, tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text("from torch import nn\ndef build():\n    return nn.Conv2d(3, 4, 1)\n")
    for line in ("measure my.py:build", "advise my.py:build --device raspberry_pi_4"):
        assert "add --input" in refused(line)


@pytest.mark.parametrize("engine", ["mnn", "executorch", "torch"])
def test_an_engine_without_integers_is_refused_before_any_work(refused: Refusal, tmp_path: Path, engine: str) -> None:
    said = refused(f"quantize resnet20 --data sample --on onnxruntime,{engine} --out q.lissome")
    assert f"{engine}: no int8: " in said
    assert "choose of onnxruntime, ncnn, openvino, litert, tensorrt" in said
    assert f"{engine}: no int8: " in refused(f"quantize net.onnx --data sample --on {engine} --out q.lissome")
    assert not list(tmp_path.glob("q.lissome*"))


def test_partition_needs_two_engines_and_functions_by_name(refused: Refusal, tmp_path: Path) -> None:
    assert "both engines are ncnn" in refused("partition resnet20 --on ncnn --rest ncnn")
    assert "no runtime is called 'nccn'" in refused("partition resnet20 --on nccn")
    (tmp_path / "my.py").write_text("def plugins():\n    return [abs]\n")
    assert "gives list, no functions by name" in refused("partition resnet20 --on ncnn --plugins my.py:plugins")
    assert "no such file" in refused("partition resnet20 --on ncnn --plugins other.py:plugins")


def test_ghosts_need_images_and_a_page_that_can_be_written(refused: Refusal, tmp_path: Path) -> None:
    assert "--data: is missing" in refused("ghosts resnet20")
    assert "threshold is 2" in refused("ghosts resnet20 --data sample --images 2 --threshold 2")
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused("ghosts resnet20 --data sample --images 2 --html file/x.html")


def test_a_recommendation_needs_a_device_and_limits_that_can_be(refused: Refusal) -> None:
    assert "--device: is missing" in refused("recommend")
    assert "did you mean 'raspberry_pi_4'" in refused("recommend --device raspbery_pi_4 --max-ms 30")
    assert "max_ms is -1" in refused("recommend --device raspberry_pi_4 --max-ms -1")
    assert "did you mean 'imagenet'" in refused("recommend --device raspberry_pi_4 --dataset imagenett")


def test_comparing_what_cannot_be_compared(refused: Refusal, tmp_path: Path) -> None:
    assert "or 'resnet20'" in refused("compare resnet20 resnet2O")
    assert "x.lissome" in refused("compare resnet20 x.lissome")
    (tmp_path / "my.py").write_text("from torch import nn\ndef build():\n    return nn.Conv2d(3, 4, 1)\n")
    assert "add --input" in refused("compare my.py:build resnet20")
    assert "did you mean 'onnxruntime'" in refused("compare resnet20 resnet32 --on onnxruntim")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("build resnet20", "names no model or no --out"),
        ("build --out x.lissome", "names no model or no --out"),
        ("build resnet20 --out x.lissome --engines nccn", "did you mean 'ncnn'"),
        ("build resnet20 --out x.lissome --precisions float31", "did you mean 'float32'"),
        ("build resnet20 --out x.lissome --max-drop lots", "'lots' is no share"),
        ("build resnet20 --out x.lissome --threads 999", "999 threads on"),
        ("build resnet20 --retune x.lissome", "takes a file and no model"),
        ("build --retune x.lissome", "no such file"),
        ("verify x.lissome", "no such file"),
        ("bench", "takes files or --models"),
        ("bench x.lissome --models resnet20", "takes files or --models"),
        ("bench --models resnet2O", "or 'resnet20'"),
        ("bench --models resnet20 --engines nccn", "did you mean 'ncnn'"),
        ("export x.onnx --out x.lissome --on onnxruntime", "no such file"),
        ("export x.onnx --out x.lissome --on ncnn", "wrong Reshape parameters and a crash"),
        ("export x.onnx --out x.lissome --data sample", "takes a graph alone"),
        ("export resnet20 --also 3x32x32 --out x.lissome", "is no other size of 3x32x32"),
    ],
)
def test_engines_artifacts_and_graphs(refused: Refusal, line: str, words: str) -> None:
    assert words in refused(line)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("--max-ms 8 --keep 0.5", "--keep names one recipe and --max-ms searches"),
        ("--max-ms 0", "max_ms is 0"),
        ("--max-drop 2", "--max-drop"),
        ("--budget soon", "write 30m"),
        ("--budget 0t", "trials is 0"),
        ("--max-ms 8 --device pi@kitchen", "write ssh://user@host"),
        ("--preset mobil", "did you mean 'mobile'"),
        ("--preset mobile --on nccn", "did you mean 'ncnn'"),
    ],
)
def test_searches_that_make_no_sense(refused: Refusal, words: str, hint: str) -> None:
    assert hint in refused(f"compress resnet20 --data sample --out x.lissome {words}")


def test_watching_what_is_no_search(refused: Refusal) -> None:
    assert "holds no search" in refused("watch nowhere")

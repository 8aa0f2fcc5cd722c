import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from lissome.core.errors import BadDataError
from lissome.data import sample
from lissome.data.embedded_sample import FOLDER, SHA256, Sample, read_part
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.training.evaluate import evaluate


@pytest.mark.parametrize(("part", "each"), [("train", 400), ("test", 200)])
def test_the_images_are_what_was_packed(part: str, each: int) -> None:
    images, labels = read_part(FOLDER, part)
    assert images.shape == (each * 10, 32, 32, 3) and np.bincount(labels).tolist() == [each] * 10
    assert hashlib.sha256(images.tobytes()).hexdigest() == SHA256[part]
    assert len({one.tobytes() for one in images}) == len(images)


def test_the_task_holds_out_validation_images_and_is_the_same_each_time() -> None:
    task = sample().task
    assert (len(task.train), len(task.validation), len(task.test)) == (3_600, 400, 2_000)
    assert task.class_names[3] == "cat"
    assert np.bincount(task.validation.labels()).tolist() == [40] * 10
    again = sample().task
    assert np.array_equal(task.validation.raw(), again.validation.raw())
    assert not np.array_equal(task.validation.raw(), sample(seed=1).task.validation.raw())


def test_the_files_are_small_and_come_with_their_source() -> None:
    files = {path.name: path for path in FOLDER.iterdir()}
    assert sum(path.stat().st_size for path in files.values()) <= 12_000_000
    assert "Krizhevsky" in files["SOURCE.md"].read_text()
    assert "Redistribution and use" in files["LICENSE-resnet20.txt"].read_text()
    assert sample().weights_path.is_file()


def test_the_weights_are_the_catalogs_resnet20_and_know_the_images() -> None:
    model, one = create("resnet20"), sample()
    assert len(load_weights(model, one.weights_path).by_name) == len(model.state_dict()) - 19  # the batch counters
    assert evaluate(model, one.task.test, one.task.metric, limit=200) > 0.88


def test_a_damaged_copy_is_refused(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "sample")
    (tmp_path / "sample" / "train.xz").write_bytes((FOLDER / "test.xz").read_bytes())
    with pytest.raises(BadDataError, match="other images than were packed; install lissome again"):
        _ = Sample(folder=tmp_path / "sample").task
    (tmp_path / "sample" / "train.xz").unlink()
    with pytest.raises(BadDataError, match="cannot be read"):
        _ = Sample(folder=tmp_path / "sample").task

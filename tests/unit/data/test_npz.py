from pathlib import Path

import numpy as np
import pytest

from lissome.core.errors import BadDataError
from lissome.data.task import Task

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
LABELS = np.arange(40) % 4


def test_four_arrays(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x_train=PIXELS, y_train=LABELS, x_test=PIXELS[:8], y_test=LABELS[:8])
    task = Task.from_npz(path)
    assert (len(task.train), len(task.validation), len(task.test), task.classes) == (36, 4, 8, 4)
    assert task.preprocessing.shape == (3, 8, 8) and task.remarks == ()


def test_two_arrays_are_split_and_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, images=PIXELS, labels=LABELS)
    task = Task.from_npz(path, input=(1, 6, 4))
    assert (len(task.train), len(task.validation), len(task.test)) == (28, 4, 8)
    assert task.test.raw().shape == (8, 6, 4, 1)
    assert task.remarks == (f"{path} has no test data: 8 of its images became them (seed 0)",)


def test_other_names_are_listed(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=PIXELS, y=LABELS)
    with pytest.raises(BadDataError, match="holds x, y; name the arrays x_train"):
        Task.from_npz(tmp_path / "data.npz")


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    mixed = np.empty(2, object)
    mixed[:] = [PIXELS[0], PIXELS[0, :4]]
    np.savez(tmp_path / "data.npz", images=mixed, labels=LABELS[:2])
    with pytest.raises(BadDataError, match="mixed sizes"):
        Task.from_npz(tmp_path / "data.npz")


def test_files_that_are_no_npz_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    with pytest.raises(BadDataError, match="cannot be read: No such file"):
        Task.from_npz(path)
    np.savez_compressed(path, images=PIXELS, labels=LABELS)
    whole = path.read_bytes()
    array = tmp_path / "array.npy"
    np.save(array, PIXELS)
    damaged = bytearray(whole)
    damaged[200:400] = bytes(200)
    for content in (b"", b"text", whole[: len(whole) // 2], bytes(damaged), array.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(BadDataError, match=r"is no \.npz file, or is damaged"):
            Task.from_npz(path)

from pathlib import Path

import pytest
from PIL import Image

from lissome.core.errors import BadDataError, SettingError
from lissome.data.task import Task

INPUT = (3, 8, 8)


def fill(folder: Path, classes: tuple[str, ...] = ("cat", "dog"), count: int = 10, size: int = 12) -> None:
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (size + index, size), (50 * number + 20, index, 0)).save(folder / name / f"{index}.png")


def test_class_folders_alone_are_split_and_it_is_said(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    task = Task.from_folder(tmp_path, input=INPUT)
    assert (len(task.train), len(task.validation), len(task.test)) == (14, 2, 4)
    assert task.class_names == ("cat", "dog")
    assert task.remarks == (f"{tmp_path} has no test data: 4 of its images became them (seed 0)",)
    raw = [tuple(image[0, 0]) for split in (task.train, task.validation, task.test) for image in split.raw()]
    assert len(set(raw)) == 20
    assert task.test.raw()[:, 0, 0, 0].tolist() == [20 + 50 * label for label in task.test.labels()]


def test_three_parts_are_taken_as_they_are(tmp_path: Path) -> None:
    for part, count in (("train", 5), ("val", 3), ("test", 2)):
        fill(tmp_path / part, count=count)
    task = Task.from_folder(tmp_path, input=INPUT)
    assert (len(task.train), len(task.validation), len(task.test)) == (10, 6, 4)
    assert task.remarks == ()
    assert next(task.train.batches(4))[0].shape == (4, 3, 8, 8)


def test_validation_is_held_out_of_the_training_data_only(tmp_path: Path) -> None:
    fill(tmp_path / "train", count=10)
    fill(tmp_path / "test", count=3)
    task = Task.from_folder(tmp_path, input=INPUT)
    assert (len(task.train), len(task.validation), len(task.test)) == (18, 2, 6)
    assert task.remarks == ()


def test_a_validation_folder_is_the_test_data_where_there_is_no_other(tmp_path: Path) -> None:
    fill(tmp_path / "train", count=10)
    fill(tmp_path / "val", count=3)
    task = Task.from_folder(tmp_path, input=INPUT)
    assert (len(task.train), len(task.validation), len(task.test)) == (18, 2, 6)
    assert "validation folder is the test data" in task.remarks[0]


def test_absent_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="nowhere: cannot be read"):
        Task.from_folder(tmp_path / "nowhere", input=INPUT)
    with pytest.raises(BadDataError, match="is empty"):
        Task.from_folder(tmp_path, input=INPUT)
    (tmp_path / "a.txt").touch()
    with pytest.raises(BadDataError, match="no sub-folders"):
        Task.from_folder(tmp_path, input=INPUT)


def test_a_class_without_images_is_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "emu").mkdir()
    with pytest.raises(BadDataError, match="emu: holds no images"):
        Task.from_folder(tmp_path, input=INPUT)


def test_one_class_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, classes=("cat",))
    with pytest.raises(BadDataError, match="one class"):
        Task.from_folder(tmp_path, input=INPUT)


def test_parts_with_different_classes_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "test", classes=("cat", "cow"))
    with pytest.raises(BadDataError, match="class 'cow' is not in all parts"):
        Task.from_folder(tmp_path, input=INPUT)


def test_an_unreadable_image_is_named_before_any_work(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "dog" / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(BadDataError, match=r"bad\.jpg: is no readable image"):
        Task.from_folder(tmp_path, input=INPUT)


def test_the_input_size_must_be_given_once(tmp_path: Path) -> None:
    fill(tmp_path)
    with pytest.raises(SettingError, match="not known"):
        Task.from_folder(tmp_path)
    preprocessing = Task.from_folder(tmp_path, input=INPUT).preprocessing
    with pytest.raises(SettingError, match="exclude each other"):
        Task.from_folder(tmp_path, input=INPUT, preprocessing=preprocessing)
    with pytest.raises(SettingError, match="2 channels"):
        Task.from_folder(tmp_path, input=(2, 8, 8))

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from lissome.core.errors import BadDataError
from lissome.data.cifar10 import cifar10_parts, default_folder
from lissome.data.image_codec import pack_images
from lissome.data.task import Task

ROOT = Path(__file__).parents[3]
FOLDER = Path(os.environ.get("LISSOME_DATA") or ROOT.parent / "shared" / "data") / "cifar10"
NAMES = ("test", *(f"train_{number}" for number in range(5)))


def write_packed(folder: Path, each: int = 20) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    images = {name: generator.integers(0, 256, (each, 32, 32, 3), np.uint8) for name in NAMES}
    for name, pixels in images.items():
        (folder / f"{name}.xz").write_bytes(pack_images(pixels))
    np.savez(folder / "labels.npz", **{name: np.arange(each, dtype=np.uint8) % 10 for name in NAMES})
    return images


def test_the_packed_form(tmp_path: Path) -> None:
    images = write_packed(tmp_path)
    parts = cifar10_parts(tmp_path)
    assert np.array_equal(parts.test.raw(), images["test"])
    assert np.array_equal(parts.train.raw(), np.concatenate([images[name] for name in NAMES[1:]]))
    assert parts.train.labels()[:12].tolist() == [*range(10), 0, 1]


def test_the_official_binary_form(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    labels = np.arange(20, dtype=np.uint8)[:, None] % 10
    # The official record: the label, then 1,024 bytes each of red, green and blue.
    record = np.concatenate([labels, pixels[..., 0].reshape(20, -1), pixels[..., 1].reshape(20, -1)], axis=1)
    record = np.concatenate([record, pixels[..., 2].reshape(20, -1)], axis=1)
    for name in ("test_batch", *(f"data_batch_{number}" for number in range(1, 6))):
        (tmp_path / f"{name}.bin").write_bytes(record.tobytes())
    parts = cifar10_parts(tmp_path)
    assert np.array_equal(parts.test.raw(), pixels) and len(parts.train) == 100
    (tmp_path / "data_batch_3.bin").write_bytes(record.tobytes()[:-1])
    with pytest.raises(BadDataError, match=r"data_batch_3\.bin: 61459 bytes"):
        cifar10_parts(tmp_path)


def test_absent_and_damaged_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISSOME_DATA", str(tmp_path / "nowhere"))
    assert default_folder() == tmp_path / "nowhere" / "cifar10"
    with pytest.raises(BadDataError, match="cifar10: no such folder"):
        Task.from_cifar10()
    write_packed(tmp_path)
    (tmp_path / "train_2.xz").write_bytes(b"junk")
    with pytest.raises(BadDataError, match=r"train_2\.xz: cannot be unpacked"):
        cifar10_parts(tmp_path)
    (tmp_path / "train_2.xz").unlink()
    with pytest.raises(BadDataError, match=r"train_2\.xz: cannot be read: No such file"):
        cifar10_parts(tmp_path)
    write_packed(tmp_path)
    np.savez(tmp_path / "labels.npz", test=np.zeros(3, np.uint8))
    with pytest.raises(BadDataError, match=r"train_0: 20 images but 0 labels"):
        cifar10_parts(tmp_path)


@pytest.mark.data
@pytest.mark.skipif(not FOLDER.is_dir(), reason="the real CIFAR-10 is not here")
def test_the_real_data_decode_exactly() -> None:
    parts = cifar10_parts(FOLDER)
    test, train = parts.test.raw(), parts.train.raw()
    assert test.shape == (10_000, 32, 32, 3) and train.shape == (50_000, 32, 32, 3)
    # The official statistics of the training images, and the digests of the decoded files.
    assert np.round(train.mean((0, 1, 2)) / 255, 5).tolist() == [0.4914, 0.48216, 0.44653]
    digests = [hashlib.sha256(part.tobytes()).hexdigest()[:16] for part in (test, train[:10_000], train[-10_000:])]
    assert digests == ["27edd0383aafe7de", "f1213ec58e578ee5", "739b86dbb746dd19"]
    assert np.bincount(parts.train.labels()).tolist() == [5_000] * 10
    task = Task._of(parts, 0, "CIFAR-10")  # what from_cifar10 does next, without decoding twice
    assert (len(task.train), len(task.validation), len(task.test)) == (45_000, 5_000, 10_000)

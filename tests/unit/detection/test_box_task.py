"""Pictures with boxes: read, counted, learnt from."""

import numpy as np
import pytest
import torch
from PIL import Image

import lissome as ls
from lissome.data.augmentations.automatic import automatic
from lissome.detection.average_precision import average_precision, count_precision
from lissome.detection.box_files import box_file_split, read_boxes
from lissome.detection.box_task import MatchScore, box_task, coco128_task
from lissome.detection.detections import Detections
from lissome.detection.heads import FastestDetHead
from lissome.models.fastestdet import FastestDet, take_rgb

HEAD = FastestDetHead(height=64, width=64)


@pytest.fixture
def folder(tmp_path):
    """Eight pictures of one bright rectangle each, red or green, and a ninth of nothing."""
    generator = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for number in range(9):
        pixels = np.full((60, 90, 3), 30, np.uint8)
        kind, x, y = number % 2, *generator.integers(0, 20, 2)
        if number < 8:
            pixels[y : y + 30, x : x + 45, kind] = 250
            (tmp_path / "labels" / f"{number}.txt").write_text(f"{kind} {(x + 22.5) / 90} {(y + 15) / 60} 0.5 0.5\n")
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    return tmp_path


def split_of(folder):
    size = ls.Preprocessing(channels=3, height=64, width=64)
    return box_file_split(folder / "images", folder / "labels", size, 2)


def test_pictures_are_stretched_and_their_boxes_too(folder):
    split = split_of(folder)
    images, labels = next(split.batches(9))
    assert images.shape == (9, 3, 64, 64)
    assert labels.shape == (9, 1, 5)
    assert labels[8].tolist() == [[-1] * 5]
    for image, (label,) in zip(images[:8], labels[:8], strict=True):
        kind, (x1, y1, x2, y2) = int(label[0]), label[1:].round().int().tolist()
        assert (x2 - x1, y2 - y1) == (32, 32)
        assert image[kind, y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 0.9
    assert split.sizes() == [(60, 90)] * 9


def test_part_of_the_pictures_keeps_its_boxes(folder):
    part = split_of(folder).subset(np.array([3, 8]))
    assert [len(one) for one in part.shares()] == [1, 0]
    assert [path.name for path in part.paths()] == ["3.png", "8.png"]


def test_an_augmentation_that_forgets_the_boxes_is_refused(folder):
    task = box_task(split_of(folder), split_of(folder), HEAD, class_names=("red", "green"))
    step = ls.Train(epochs=1, augmentation=ls.augmentations.CropFlip())
    with pytest.raises(ls.SettingError, match="CropFlip: moves pixels, and leaves boxes where they are"):
        step.apply(FastestDet(classes=2), ls.Context(task))


def test_left_to_itself_training_moves_pictures_and_boxes_together(folder):
    images, labels = next(split_of(folder).batches(8))
    moved, objects = automatic(images, labels)(images, labels, torch.Generator().manual_seed(0))
    assert not torch.equal(objects, labels)
    for image, (label,) in zip(moved, objects, strict=True):
        kind, (x1, y1, x2, y2) = int(label[0]), label[1:].round().int().tolist()
        # Within its box there is the object, and beyond it there is none of its colour.
        assert image[kind, y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 0.9
        bright = (image[kind] > 0.6).nonzero()
        assert (bright.min(0).values >= torch.tensor([y1 - 2, x1 - 2])).all()
        assert (bright.max(0).values <= torch.tensor([y2 + 2, x2 + 2])).all()


def test_training_needs_no_word_about_augmentation(folder):
    task = box_task(split_of(folder), split_of(folder), HEAD, class_names=("red", "green"))
    outcome = ls.Train(epochs=1, batch_size=4).apply(FastestDet(classes=2), ls.Context(task))
    assert np.isfinite(outcome.measurements["history"][0]["loss"])


@pytest.mark.parametrize(
    "line", ["0 0.5 0.5 0.1", "one 0.5 0.5 0.1 0.1", "2 .5 .5 .1 .1", "0 1.5 .5 .1 .1", "0 .5 .5 0 .1"]
)
def test_a_line_that_is_no_object_is_named(tmp_path, line):
    (tmp_path / "one.txt").write_text("0 .5 .5 .1 .1\n" + line)
    with pytest.raises(ls.BadDataError, match=r"one\.txt: line 2"):
        read_boxes(tmp_path / "one.txt", 2)


def test_folders_without_pictures_and_other_sizes_are_refused(folder):
    size = ls.Preprocessing(channels=3, height=64, width=64)
    with pytest.raises(ls.BadDataError, match="no picture"):
        box_file_split(folder / "labels", folder / "labels", size, 2)
    with pytest.raises(ls.SettingError, match="64 x 64, the head is for 96 x 64"):
        box_task(split_of(folder), split_of(folder), FastestDetHead(height=96, width=64), class_names=("a", "b"))
    with pytest.raises(ls.BadDataError, match=r"config\.yaml"):
        coco128_task(HEAD, folder)


class Says(torch.nn.Module):
    """Returns what it was told, whatever it sees."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        return self.output[: len(x)]


def test_the_score_of_a_picture_is_what_was_found_of_what_is_there():
    class Twice(FastestDetHead):
        __slots__ = ()

        def decode(self, output):
            return output[..., :4], output[..., 4:]

    labels = torch.tensor([[[0.0, 0, 0, 10, 10], [1, 20, 20, 30, 30]], [[-1.0] * 5] * 2])
    # Right; of the wrong class; the first once more, far enough off not to be suppressed and too far to be right.
    said = [[0.0, 0, 10, 10, 0.9, 0], [20, 20, 30, 30, 0.8, 0], [4, 4, 14, 14, 0.7, 0]]
    output = torch.tensor([said, [[0.0, 0, 1, 1, 0, 0]] * 3])
    assert MatchScore(head=Twice())(output, labels).tolist() == pytest.approx([2 * 1 / (3 + 2), 1])


def test_average_precision_of_right_boxes_is_one_and_of_shifted_ones_less():
    pytest.importorskip("faster_coco_eval")
    shares = [np.array([[0, 0.1, 0.1, 0.5, 0.6], [3, 0.5, 0.5, 0.9, 0.9]], np.float32), np.zeros((0, 5), np.float32)]
    boxes = torch.tensor(shares[0][:, 1:] * [200, 100, 200, 100], dtype=torch.float32)
    none = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    right = Detections(boxes, torch.tensor([0.9, 0.8]), torch.tensor([0, 3]))
    sizes = [(100, 200), (50, 50)]
    assert count_precision([right, none], shares, sizes).ap == pytest.approx(1)
    shifted = Detections(boxes + torch.tensor([16.0, 0, 16, 0]), right.scores, right.classes)  # IoU 64 / 96
    counted = count_precision([shifted, none], shares, sizes)
    assert counted.ap50 == pytest.approx(1)
    assert counted.ap == pytest.approx(0.4)  # 0.5, 0.55, 0.6, 0.65 of ten
    assert count_precision([none, none], shares, sizes).ap50 == 0
    wrong = Detections(boxes, right.scores, torch.tensor([3, 0]))
    assert count_precision([wrong, none], shares, sizes).ap50 == 0
    with pytest.raises(ls.BadDataError, match="no object"):
        count_precision([none], [shares[1]], [(5, 5)])


@pytest.mark.data
def test_fastestdet_finds_what_it_is_known_to_find(data_folder):
    pytest.importorskip("faster_coco_eval")
    model = FastestDet()
    ls.load_weights(model, data_folder / "weights" / "det_fastestdet" / "fastestdet_ap0.2532.pth")
    task = coco128_task(FastestDetHead(), data_folder / "coco128")
    counted = average_precision(take_rgb(model), task.test, FastestDetHead())
    assert (counted.images, counted.objects) == (128, 898)
    assert counted.ap50 == pytest.approx(0.338, abs=0.002)

"""From a raw output to what is in a picture."""

import pytest
import torch
from PIL import Image

import lissome as ls
from lissome.detection.detections import Detections, Selection, as_labels, select
from lissome.detection.draw import colour_of, draw_boxes, side_by_side
from lissome.detection.suppression import SoftNms

BOXES = torch.tensor([[[0.0, 0, 4, 4], [0, 0, 4, 5], [8, 8, 9, 9]]])
SCORES = torch.tensor([[[0.5, 0.4], [0.9, 0.0], [0.1, 0.35]]])


def test_the_best_class_of_a_place_or_every_sure_one():
    (one,) = select(BOXES, SCORES, Selection())
    assert one.classes.tolist() == [0, 1]
    (several,) = select(BOXES, SCORES, Selection(several_classes=True))
    assert several.to_dict()["classes"] == [0, 1, 1]
    assert several.scores.tolist() == pytest.approx([0.9, 0.4, 0.35])


def test_no_more_than_asked_for_and_none_below():
    assert len(select(BOXES, SCORES, Selection(limit=1))[0]) == 1
    assert len(select(BOXES, SCORES, Selection(least=0.95))[0]) == 0


def test_another_suppression_is_used():
    (one,) = select(BOXES, SCORES, Selection(suppression=SoftNms(least=0)))
    assert len(one) == 3
    assert one.scores[-1] < 0.35


@pytest.mark.parametrize("settings", [{"least": 2}, {"limit": 0}])
def test_a_setting_out_of_its_range_is_refused(settings):
    with pytest.raises(ls.SettingError, match=next(iter(settings))):
        Selection(**settings)


def test_what_a_teacher_is_sure_of_becomes_labels():
    first = Detections(torch.ones(2, 4), torch.tensor([0.9, 0.2]), torch.tensor([3, 1]))
    none = Detections(torch.ones(0, 4), torch.ones(0), torch.ones(0, dtype=torch.int64))
    assert as_labels([first, none]).tolist() == [[[3, 1, 1, 1, 1]], [[-1, -1, -1, -1, -1]]]


def test_frames_have_the_colour_of_their_class_and_doubtful_ones_are_left_out():
    found = Detections(torch.tensor([[10.0, 20, 50, 60], [5, 5, 9, 9]]), torch.tensor([0.8, 0.1]), torch.tensor([2, 1]))
    blank = Image.new("RGB", (64, 64))
    drawn = draw_boxes(blank, found, ("a", "b", "cat"))
    assert drawn.getpixel((10, 40)) == drawn.getpixel((50, 40)) == colour_of(2)
    assert drawn.getpixel((30, 45)) == (0, 0, 0)
    assert drawn.getpixel((5, 7)) == (0, 0, 0)
    assert blank.getbbox() is None, "the picture given is left as it was"
    assert draw_boxes(blank, found, least=0.05).getpixel((5, 7)) == colour_of(1)


def test_colours_of_all_of_cocos_classes_differ():
    assert len({colour_of(kind) for kind in range(80)}) == 80


def test_drawing_refuses_nonsense():
    with pytest.raises(ls.SettingError, match="least is 3"):
        draw_boxes(Image.new("RGB", (4, 4)), select(BOXES, SCORES, Selection())[0], least=3)
    with pytest.raises(ls.SettingError, match="no picture"):
        side_by_side([])

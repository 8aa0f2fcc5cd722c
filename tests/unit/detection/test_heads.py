"""What holds for every head: boxes by hand, a loss that falls, and an output that comes back as it was asked for."""

import pytest
import torch

import lissome as ls
from lissome.detection.detections import Selection, select
from lissome.detection.heads import FastestDetHead, NanoDetHead, SsdHead, Truth, YoloHead
from lissome.detection.overlaps import iou

# A head for 64x64 pixels and 3 classes, and the shape of the output it reads.
HEADS = {
    "fastestdet": (FastestDetHead(height=64, width=64), (8, 4, 4)),
    "nanodet": (NanoDetHead(height=64, width=64), (84, 35)),
    "ssd": (SsdHead(height=64, width=64), (16 * 3 + 8 * 6, 8)),
    "yolo": (YoloHead(height=64, width=64), (252, 8)),
    "yolo, focal": (YoloHead(height=64, width=64, box="l1", objectness="focal"), (252, 8)),
    "yolo, hard negatives": (YoloHead(height=64, width=64, box="diou", objectness="hard_negatives"), (252, 8)),
    "fastestdet, focal": (FastestDetHead(height=64, width=64, box="giou", objectness="focal"), (8, 4, 4)),
}
LABELS = torch.tensor(
    [
        [[2.0, 6, 10, 40, 34], [0, 30, 34, 62, 60], [-1, 0, 0, 0, 0]],
        [[1.0, 4, 4, 26, 30], [-1, 0, 0, 0, 0], [-1, 0, 0, 0, 0]],
    ]
)


@pytest.mark.parametrize("name", HEADS)
def test_an_output_that_was_trained_says_what_is_there(name):
    head, shape = HEADS[name]
    output = (0.01 * torch.randn(2, *shape)).requires_grad_()
    optimizer = torch.optim.Adam([output], lr=0.3)
    losses = []
    for step in range(150):
        optimizer.param_groups[0]["lr"] = 0.3 * (1 - step / 150)
        loss = head.loss(output, LABELS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    found = select(*head.decode(output.detach()), Selection(least=0.3))
    for one, truth in zip(found, LABELS, strict=True):
        objects = truth[truth[:, 0] >= 0]
        assert len(one) == len(objects)
        overlaps = iou(one.boxes[:, None], objects[:, 1:])
        assert (overlaps.max(0).values > 0.9).all()
        assert sorted(one.classes.tolist()) == sorted(objects[:, 0].tolist())


@pytest.mark.parametrize("name", HEADS)
def test_a_batch_without_objects_has_a_loss_and_gradients(name):
    head, shape = HEADS[name]
    output = torch.randn(2, *shape, requires_grad=True)
    loss = head.loss(output, torch.full((2, 1, 5), -1.0))
    loss.backward()
    assert torch.isfinite(loss)
    assert output.grad.abs().sum() > 0


@pytest.mark.parametrize("name", HEADS)
def test_boxes_at_the_border_and_tiny_ones_have_finite_gradients(name):
    head, shape = HEADS[name]
    output = torch.randn(1, *shape, requires_grad=True)
    labels = torch.tensor([[[0.0, 0, 0, 64, 64], [1, 63, 63, 64, 64], [2, 31.9, 32, 32, 32.1]]])
    head.loss(output, labels).backward()
    assert torch.isfinite(output.grad).all()


@pytest.mark.parametrize("name", HEADS)
def test_decodes_into_corners_and_shares(name):
    head, shape = HEADS[name]
    boxes, scores = head.decode(3 * torch.randn(2, *shape))
    assert boxes.shape[:2] == scores.shape[:2]
    assert scores.shape[2] == 3
    assert (boxes[..., 2:] >= boxes[..., :2]).all()
    assert (scores >= 0).all()
    assert (scores <= 1).all()


@pytest.mark.parametrize("name", HEADS)
def test_another_output_is_refused(name):
    head, shape = HEADS[name]
    with pytest.raises(ls.ShapeError, match="the output is"):
        head.decode(torch.zeros(1, *(side + 1 for side in shape)))


def test_fastestdet_decodes_by_hand():
    raw = torch.zeros(1, 6, 2, 2)
    raw[0, 1:5, 1, 0] = torch.tensor([0.5, -0.5, 0.0, 1.0])
    boxes, scores = FastestDetHead(height=32, width=32).decode(raw)
    tanh, sigmoid = 0.46211716, 0.7310586
    centre, size = (tanh * 16, (1 - tanh) * 16), (16, 32 * sigmoid)
    expected = [centre[0] - size[0] / 2, centre[1] - size[1] / 2, centre[0] + size[0] / 2, centre[1] + size[1] / 2]
    assert boxes[0, 2].tolist() == pytest.approx(expected, abs=1e-4)
    assert scores[0, 2].tolist() == pytest.approx([0.5**0.6])  # one class is certain


def test_labels_of_another_form_are_refused():
    with pytest.raises(ls.BadDataError, match=r"labels are \(2, 4\)"):
        Truth.of(torch.zeros(2, 4))


def test_sides_that_do_not_halve_are_refused():
    with pytest.raises(ls.SettingError, match="100 x 64"):
        FastestDetHead(height=100, width=64)

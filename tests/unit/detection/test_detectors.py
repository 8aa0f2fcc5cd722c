"""Every detector of the table: exact cost, gradients everywhere, pruned through neck and heads, and on an engine."""

import functools

import onnxruntime
import pytest
import torch
from torch import nn

import lissome as ls
from lissome.core.names import load_attribute
from lissome.detection.append_suppression import append_suppression
from lissome.detection.decoded import Decoded
from lissome.detection.detections import Selection, select
from lissome.detection.detectors import DETECTORS, create_detector
from lissome.detection.suppression import GreedyNms
from lissome.exporting.to_onnx import to_onnx
from lissome.tracing.batch_norm_folding import fold_batch_norms

SIDES = (64, 96)
LABELS = torch.tensor([[[2.0, 6, 10, 40, 34]], [[0, 40, 4, 90, 60]]])


@functools.cache
def small(name):
    width = {"mobilenet_ssd": 0.25, "yolov5s_like": 0.25}.get(name)
    return create_detector(name, classes=3, width=width, sides=SIDES, seed=0)


@pytest.mark.parametrize("name", DETECTORS)
def test_cost_equals_the_table(name):
    entry, macs = DETECTORS[name], []
    with torch.device("meta"):
        network = load_attribute(entry.build)(classes=entry.classes).eval()
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(lambda layer, _, out: macs.append(layer.weight[0].numel() * out.numel()))
        network(torch.zeros(1, *entry.input))
    assert (sum(one.numel() for one in network.parameters()), sum(macs)) == (entry.params, entry.macs)


@pytest.mark.parametrize("name", DETECTORS)
def test_the_head_reads_the_network_and_its_loss_reaches_every_parameter(name):
    network, head = small(name)
    network.train()
    loss = head.loss(network(torch.randn(2, 3, *SIDES)), LABELS)
    loss.backward()
    network.eval()
    assert [path for path, one in network.named_parameters() if one.grad is None] == []
    network.zero_grad()


@pytest.mark.parametrize("name", DETECTORS)
def test_channels_go_in_backbone_neck_and_heads(name):
    network, head = small(name)
    context = ls.Context(example=torch.randn(1, 3, *SIDES))
    outcome = ls.PruneChannels(keep=0.5, score=ls.scores.Random()).apply(network, context)
    boxes, scores = head.decode(outcome.model(torch.randn(2, 3, *SIDES)))
    assert scores.shape[2] == 3
    assert torch.isfinite(boxes).all()
    before, after = (dict(one.named_modules()) for one in (network, outcome.model))
    smaller = [
        path
        for path, layer in after.items()
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() < before[path].weight.numel()
    ]
    assert len(smaller) > 0.8 * sum(isinstance(layer, nn.Conv2d) for layer in before.values())
    assert outcome.measurements["params"] < 0.75 * outcome.measurements["params_before"]


@pytest.mark.parametrize("name", ["fastestdet", "nanodet_like"])
def test_one_file_from_pixels_to_boxes(name, tmp_path):
    network, head = create_detector(name, classes=3, sides=SIDES, seed=1)
    images = torch.randn(2, 3, *SIDES)
    network.train()
    with torch.no_grad():
        for _ in range(10):  # normalised, so that scores differ and no rounding decides which box is better
            network(torch.randn(8, 3, *SIDES))
    fold_batch_norms(network.eval(), (images,))
    to_onnx(Decoded(network, head), (images[:1],), tmp_path / "decoded.onnx")
    boxes, scores = head.decode(network(images))
    least = scores.flatten().quantile(0.7).item()
    append_suppression(tmp_path / "decoded.onnx", tmp_path / "whole.onnx", threshold=0.4, least=least)
    session = onnxruntime.InferenceSession(tmp_path / "whole.onnx")
    image, kind, score, box = session.run(["image", "class", "score", "box"], {"input": images.numpy()})
    ours = Selection(least=least, suppression=GreedyNms(threshold=0.4), several_classes=True, limit=1000)
    expected = [
        (number, int(kind), score, box)
        for number, one in enumerate(select(boxes.detach(), scores.detach(), ours))
        for box, score, kind in zip(one.boxes, one.scores.tolist(), one.classes, strict=True)
    ]
    assert len(image) == len(expected) > 20
    # Scores that are nearly equal may come in another order.
    for picture, which, sure, corners in expected:
        same = (image == picture) & (kind == which) & (abs(score - sure) < 1e-4)
        assert (abs(box[same] - corners.numpy()).max(1) < 0.1).any()


def test_suppression_needs_boxes_and_scores(tmp_path):
    to_onnx(nn.Conv2d(3, 2, 1), (torch.zeros(1, 3, 4, 4),), tmp_path / "plain.onnx")
    with pytest.raises(ls.BadModelError, match="has 1 outputs"):
        append_suppression(tmp_path / "plain.onnx", tmp_path / "whole.onnx")
    with pytest.raises(ls.SettingError, match="limit 0"):
        append_suppression(tmp_path / "plain.onnx", tmp_path / "whole.onnx", limit=0)
    assert not (tmp_path / "whole.onnx").exists()


def test_unknown_detectors_are_refused():
    with pytest.raises(ls.UnknownNameError, match="nanodet_like"):
        create_detector("nanodet")


@pytest.mark.data
def test_the_face_detector_finds_faces_where_people_are(data_folder, tmp_path):
    from lissome.detection.box_files import box_file_split

    pictures = ls.Preprocessing(channels=3, height=240, width=320, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
    folder = data_folder / "coco128"
    split = box_file_split(folder / "images" / "val2017", folder / "labels_yolo" / "val2017", pictures, 80)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # the file lists its weights as inputs, one warning each
    published = onnxruntime.InferenceSession(
        data_folder / "weights" / "face" / "ultralight_version-RFB-320.onnx", options
    )
    size = torch.tensor([320.0, 240, 320, 240])
    inside, turned, faces = 0, 0, 0
    for images, labels in split.batches(1):
        scores, boxes = map(torch.from_numpy, published.run(["scores", "boxes"], {"input": images.numpy()}))
        (found,) = select(boxes * size, scores[..., 1:], Selection(least=0.9, suppression=GreedyNms(threshold=0.3)))
        people = labels[0][labels[0, :, 0] == 0, 1:]
        for box in found.boxes:
            middle = (box[:2] + box[2:]) / 2
            faces += 1
            for upside_down in (False, True):
                place = torch.stack([middle[0], 240 - middle[1]]) if upside_down else middle
                hit = bool(((place > people[:, :2]) & (place < people[:, 2:])).all(1).any())
                inside, turned = inside + (hit and not upside_down), turned + (hit and upside_down)
    assert faces > 20
    assert inside > faces / 2, "most faces belong to somebody"
    assert inside > turned, "more than places no better than chance"

import torch

from lissome.data.metrics import top1_correct, top5_correct

OUTPUT = torch.tensor([[0.0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0]])


def test_top1() -> None:
    assert top1_correct(OUTPUT, torch.tensor([6, 6])).tolist() == [1.0, 0.0]


def test_top5() -> None:
    assert top5_correct(OUTPUT, torch.tensor([2, 5])).tolist() == [1.0, 0.0]
    assert top5_correct(OUTPUT, torch.tensor([1, 4])).tolist() == [0.0, 1.0]


def test_with_fewer_than_five_classes_top5_is_always_right() -> None:
    assert top5_correct(torch.zeros(2, 3), torch.tensor([0, 2])).tolist() == [1.0, 1.0]

import pytest

from lissome.reports.headline import headline

FAST = {"ratio": 1.9, "low": 1.8, "high": 2.0}
EVEN = {"ratio": 1.02, "low": 0.99, "high": 1.05}
SLOW = {"ratio": 0.9, "low": 0.88, "high": 0.92}


def compared(**figures):
    original = {name: before for name, (before, _) in figures.items()}
    compressed = {name: after for name, (_, after) in figures.items()}
    return {"name": "net", "original": original, "compressed": compressed}


def test_the_whole_sentence(comparison):
    assert headline(comparison) == (
        "resnet20 runs 1.90× as fast on onnxruntime (ncnn: 0.97× – not faster), takes 4.55× less space on onnxruntime "
        "and 3.20× less on ncnn, and its accuracy falls by 0.80 points on onnxruntime and by 0.50 points on ncnn "
        "(2,000 test images)."
    )


@pytest.mark.parametrize(
    ("speedup", "sentence"),
    [
        ({"a": FAST}, "net runs 1.90× as fast on a."),
        ({"a": FAST, "b": FAST}, "net runs 1.90× as fast on a and 1.90× as fast on b."),
        ({"a": EVEN}, "net gains no speed (a: 1.02× – not faster)."),
        ({"a": SLOW, "b": EVEN}, "net gains no speed (a: 0.90× – slower; b: 1.02× – not faster)."),
        ({"a": {"ratio": 1.5}}, "net runs 1.50× as fast on a."),
        ({"a": {"ratio": None}}, "net: nothing was measured."),
    ],
)
def test_only_a_proved_speed_up_is_called_one(speedup, sentence):
    assert headline({**compared(), "speedup": speedup}) == sentence


@pytest.mark.parametrize(
    ("before", "after", "clause"),
    [
        ({"a": 0.9}, {"a": 0.91}, "rises by 1.00 points on a"),
        ({"a": 0.9}, {"a": 0.9}, "stays the same on a"),
        ({"a": 0.9, "b": 0.9}, {"a": 0.88, "b": 0.9}, "falls by 2.00 points on a and stays the same on b"),
        ({"a": 0.9, "b": 0.9}, {"a": 0.88, "b": 0.88}, "falls by 2.00 points on a and b"),
        ({"torch": 0.9, "a": 0.9}, {"torch": 0.5, "a": 0.9}, "stays the same on a"),
        ({"torch": 0.9}, {"torch": 0.89}, "falls by 1.00 points on torch"),
    ],
)
def test_accuracy_is_said_as_it_is(before, after, clause):
    assert headline(compared(accuracy=(before, after))) == f"net: its accuracy {clause}."


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ({"file_kib": (100.0, 50.0)}, "net takes 2.00× less space."),
        ({"engine_file_kib": ({"a": 50.0}, {"a": 100.0})}, "net takes 2.00× more space on a."),
        ({"engine_file_kib": ({"a": 50.0}, {"a": 50.0})}, "net takes as much space on a."),
        ({"params": (300, 100), "macs": (100, 200)}, "net has 3.00× fewer parameters and 2.00× more multiply-adds."),
        ({"params": (300, 0)}, "net: nothing was measured."),
    ],
)
def test_sizes_and_counts(figures, sentence):
    assert headline(compared(**figures)) == sentence

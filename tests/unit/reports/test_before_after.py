import pytest

from lissome.reports.before_after import before_after_content


def rows_of(comparison, group):
    (table,) = before_after_content(comparison)
    return {row[0].text: row[1:] for one in table.groups if one.title.startswith(group) for row in one.rows}


def test_each_group_is_there(comparison):
    (table,) = before_after_content(comparison)
    assert [group.title for group in table.groups] == [
        "Counted",
        "File",
        "Accuracy on 2,000 test images",
        "Latency of one image: median, least to greatest",
        "Computes in",
    ]
    assert {len(row) for group in table.groups for row in group.rows} == {len(table.columns)}


def test_counts_have_a_factor_and_a_percentage(comparison):
    comparison["compressed"]["params"] = 134861
    cells = rows_of(comparison, "Counted")["Parameters"]
    assert [one.text for one in cells] == ["269,722", "134,861", "2.00× fewer", "−50.0 %"]
    assert cells[2].tone == "good"


def test_what_grew_is_a_loss(comparison):
    comparison["compressed"]["engine_file_kib"]["ncnn"] = 2120.0
    cells = rows_of(comparison, "File")["ncnn"]
    assert [(one.text, one.tone) for one in cells[2:]] == [("2.00× larger", "bad"), ("+100.0 %", "")]


def test_a_file_without_engines_is_shown_once(comparison):
    for side in ("original", "compressed"):
        del comparison[side]["engine_file_kib"]
    assert list(rows_of(comparison, "File")) == ["file"]


def test_accuracy_has_its_difference_and_error(comparison):
    cells = rows_of(comparison, "Accuracy")["onnxruntime"]
    assert [one.text for one in cells[:3]] == ["91.70 %", "90.90 %", "−0.80 points"]
    assert (cells[2].detail, cells[2].tone) == ("standard error 0.89", "bad")


def test_without_the_number_of_images_there_is_no_error(comparison):
    del comparison["test_images"]
    assert rows_of(comparison, "Accuracy")["ncnn"][2].detail == ""


def test_latency_has_its_span_and_the_paired_speed_up(comparison):
    cells = rows_of(comparison, "Latency")["onnxruntime"]
    assert (cells[0].text, cells[0].detail) == ("0.610 ms", "0.580 to 1.10")
    assert (cells[2].text, cells[2].detail) == ("1.90× as fast", "95 %: 1.80× to 2.00×, 120 pairs")
    assert cells[3].text == "−47.4 %"


@pytest.mark.parametrize(
    ("entry", "text", "tone"),
    [
        ({"ratio": 0.97, "low": 0.94, "high": 1.01}, "0.97× – not faster", ""),
        ({"ratio": 0.9, "low": 0.85, "high": 0.95}, "0.90× – slower", "bad"),
    ],
)
def test_no_speed_up_is_called_by_its_name(comparison, entry, text, tone):
    comparison["speedup"]["ncnn"] = entry
    cell = rows_of(comparison, "Latency")["ncnn"][2]
    assert (cell.text, cell.tone) == (text, tone)


def test_without_pairs_the_ratio_of_medians_says_so(comparison):
    del comparison["speedup"]
    cell = rows_of(comparison, "Latency")["onnxruntime"][2]
    assert (cell.text, cell.detail, cell.tone) == ("1.90×", "ratio of the medians", "")

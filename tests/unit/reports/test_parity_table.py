from lissome.reports.elements import Prose, Table
from lissome.reports.parity_table import parity_content


def rows_of(parity):
    table, note = parity_content(parity)
    assert isinstance(table, Table)
    assert isinstance(note, Prose)
    return [[cell.text for cell in row] for row in table.groups[0].rows]


def test_each_engine_and_network_has_a_row(comparison):
    rows = rows_of(comparison["parity"])
    assert [row[:2] for row in rows] == [
        [engine, side] for engine in ("onnxruntime", "ncnn") for side in ("original", "compressed")
    ]
    assert rows[0][2:] == ["8.0e−05", "4.0e−06", "1.000000", "100.0 %", "16", "passed"]


def test_what_was_demanded_stands_below_the_figures():
    given = {"samples": 2, "outputs": [{"output": "y", "max_rel": 0.06, "cosine": 0.99, "top1_agreement": 0.5}]}
    given["outputs"][0]["decided_agreement"] = 1.0
    given["limits"] = {"max_rel": 0.5, "cosine": 0.98, "agreement": 0.9, "tie": 0.05}
    table, _ = parity_content({"onnxruntime": {"compressed": given}})
    assert table.columns[-1] == "Samples"
    assert [cell.detail for cell in table.groups[0].rows[0][3:6]] == [
        "at most 5.0e−01",
        "at least 0.98",
        "100.0 % with ties, at least 90.0 %",
    ]


def test_several_outputs_have_a_row_each():
    outputs = [{"output": name, "max_abs": 0.5, "top1_agreement": None} for name in ("boxes", "scores")]
    rows = rows_of({"ncnn": {"original": {"samples": 4, "passed": False, "outputs": outputs}}})
    assert [row[1] for row in rows] == ["original, boxes", "original, scores"]
    assert rows[0][2:] == ["5.0e−01", "–", "–", "–", "4", "failed"]


def test_no_comparison_is_no_table():
    assert parity_content(None) == parity_content({}) == parity_content({"ncnn": None}) == ()

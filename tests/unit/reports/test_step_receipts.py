import pytest

from lissome.reports.elements import Charts, Code, Facts, Prose, Table
from lissome.reports.step_receipts import step_sections, steps_of


def of_kind(kind, fold):
    return [one for one in fold.content if isinstance(one, kind)]


def test_the_steps_of_nested_recipes_come_in_order(pruned):
    inner = {"step": "Recipe", "parts": [{"step": "Train"}, {"step": "Quantize"}]}
    assert [one["step"] for one in steps_of({"step": "Recipe", "parts": [inner, {"step": "Fold"}]})] == [
        "Train",
        "Quantize",
        "Fold",
    ]
    assert [one["step"] for one in steps_of(pruned.outcome.to_dict())] == ["PruneChannels"]
    assert list(steps_of(None)) == []


def test_a_real_receipt_is_shown_whole(pruned):
    receipt = pruned.outcome.to_dict()["parts"][0]
    (fold,) = step_sections(receipt)[0].content
    notes = receipt["notes"]
    changed = [one for one in notes if one["applied"]]
    assert fold.title == "1. PruneChannels"
    assert fold.badges[:2] == (f"{len(changed)} changed", f"{len(notes) - len(changed)} declined")
    tables = of_kind(Table, fold)
    assert [one.columns[0] for one in tables] == ["Changed", "Declined"]
    shown = {name for table in tables for row in table.groups[0].rows for name in row[1].text.split(", ")}
    assert shown == {name for note in notes for name in note["layer"].split(", ")}
    assert of_kind(Facts, fold)[0].facts[0] == ("params", f"269,722 → {receipt['measurements']['params']:,}")
    assert "keep = 0.6" in of_kind(Code, fold)[0].text


def test_notes_with_one_reason_are_one_row():
    notes = [{"layer": layer, "reason": "int8 weights", "applied": True} for layer in ("a", "b")]
    notes.append({"layer": "", "reason": "the input stays float", "applied": False})
    (fold,) = step_sections({"step": "Quantize", "notes": notes})[0].content
    rows = [[cell.text for cell in row] for table in of_kind(Table, fold) for row in table.groups[0].rows]
    assert rows == [["int8 weights", "a, b", "2"], ["the input stays float", "the network", "1"]]


def test_a_step_without_anything_to_say_says_so():
    (fold,) = step_sections({"step": "FoldBatchNorm", "settings": {"kind": "FoldBatchNorm"}})[0].content
    assert of_kind(Prose, fold)
    assert fold.badges == ("–",)


def test_a_history_becomes_curves(comparison):
    training = step_sections(comparison["outcome"])[1]
    (charts,) = training.content
    assert isinstance(charts, Charts)
    assert [one.title for one in charts.charts] == ["loss", "val metric"]
    assert charts.charts[0].figure["data"][0]["x"] == [1, 2]
    assert charts.charts[0].figure["data"][0]["y"] == [2.0, 1.0]


def test_two_trainings_are_told_apart():
    history = [{"epoch": epoch, "loss": 1.0, "note": "warm"} for epoch in (1, 2)]
    steps = [{"step": name, "measurements": {"history": history}} for name in ("Slim", "Train")]
    (charts,) = step_sections({"step": "Recipe", "parts": steps})[1].content
    assert [one.title for one in charts.charts] == ["loss, Slim", "loss, Train"]


def test_a_single_epoch_is_no_curve(comparison):
    measurements = comparison["outcome"]["parts"][-1]["measurements"]
    measurements["history"] = measurements["history"][:1]
    assert step_sections(comparison["outcome"])[1].content == ()


def test_without_a_history_there_is_no_training(pruned):
    assert step_sections(pruned.outcome.to_dict())[1].content == ()


def test_each_training_with_a_pull_shows_its_scales():
    def trained(regularizer, counts):
        measurements = {"histogram": {"edges": [0.0, 0.5, 1.0], "counts": counts}}
        return {"step": "Train", "settings": {"regularizer": regularizer}, "measurements": measurements}

    parts = [
        trained({"kind": "L1OnBatchNormScale", "strength": 0.0}, [0, 4]),
        trained({"kind": "L1OnBatchNormScale"}, [3, 1]),
        {"step": "Train", "measurements": {}},
    ]
    section = step_sections({"step": "Recipe", "parts": parts})[2]
    (charts,) = section.content
    assert section.title == "Scales after training"
    assert [one.title for one in charts.charts] == ["λ = 0", "λ = 0.0001"]
    assert charts.charts[1].figure["data"][0]["y"] == [3, 1]
    assert step_sections({"step": "Train", "measurements": {}})[2].content == ()


def test_the_default_strength_is_the_one_that_receipts_leave_out():
    from lissome.reports.step_receipts import _DEFAULT_STRENGTH
    from lissome.training.regularizers import GroupLasso, L1OnBatchNormScale

    assert GroupLasso().strength == L1OnBatchNormScale().strength == _DEFAULT_STRENGTH


def test_calibration_on_few_and_many_images_becomes_a_curve():
    scan = {"float": 0.9, "images": [1, 16, 256], "metric": [0.5, 0.8, 0.89]}
    section = step_sections({"step": "CalibrationScan", "measurements": {"calibration": scan}})[-1]
    (charts,) = section.content
    exact, rounded = charts.charts[0].figure["data"]
    assert (list(rounded["x"]), list(rounded["y"])) == ([1, 16, 256], [0.5, 0.8, 0.89])
    assert list(exact["y"]) == [0.9] * 3
    assert charts.charts[0].figure["layout"]["xaxis"]["type"] == "log"
    assert step_sections({"step": "CalibrationScan", "measurements": {}})[-1].content == ()


def test_a_scan_becomes_a_map_of_what_each_group_loses():
    groups = [{"name": "a", "channels": 8, "metric": [0.5, 0.9]}, {"name": "b", "channels": 4, "metric": [0.8, 1.0]}]
    scan = {"base": 0.9, "keep": [0.25, 0.5], "groups": groups}
    section = step_sections({"step": "SensitivityScan", "measurements": {"sensitivity": scan}})[-2]
    (charts,) = section.content
    (shades,) = charts.charts[0].figure["data"]
    assert (list(shades["x"]), list(shades["y"])) == (["50 % stay", "25 % stay"], ["a", "b"])
    assert [list(row) for row in shades["z"]] == [pytest.approx([0.0, 40.0]), pytest.approx([-10.0, 10.0])]
    assert step_sections({"step": "SensitivityScan", "measurements": {"sensitivity": {}}})[-2].content == ()

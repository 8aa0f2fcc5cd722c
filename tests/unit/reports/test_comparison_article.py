import pytest

from lissome.reports.comparison_article import comparison_article
from lissome.reports.elements import Charts
from lissome.reports.report import report


def titles_of(article):
    return [section.title for section in article.sections if section.content]


def test_every_section_is_there_and_in_order(comparison):
    assert titles_of(comparison_article(comparison)) == [
        "Before and after",
        "On each engine",
        "Cost of each layer",
        "What each step did",
        "Training",
        "Parity",
        "Recipe",
        "Method and machine",
    ]


@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("parity", "Parity"),
        ("recipe_toml", "Recipe"),
        ("outcome", "What each step did"),
        ("name", None),
        ("speedup", None),
        ("profile_original", None),
        ("profile_compressed", None),
        ("test_images", None),
        ("seconds", None),
        ("stage_seconds", None),
        ("versions", None),
        ("machine", None),
        ("seed", None),
        ("reproduce", None),
        ("warnings", None),
    ],
)
def test_a_missing_key_leaves_out_its_section_and_nothing_else(tmp_path, comparison, result_of, key, section):
    whole = titles_of(comparison_article(comparison))
    del comparison[key]
    lost = {section, "Training"} if section == "What each step did" else {section}
    assert titles_of(comparison_article(comparison)) == [one for one in whole if one not in lost]
    assert report(tmp_path / "report.html", result_of(comparison)).exists()


@pytest.mark.parametrize("figure", ["params", "macs", "file_kib", "engine_file_kib", "precision", "accuracy"])
@pytest.mark.parametrize("side", ["original", "compressed"])
def test_a_missing_figure_of_one_side_breaks_nothing(comparison, side, figure):
    del comparison[side][figure]
    assert "Before and after" in titles_of(comparison_article(comparison))


def test_a_comparison_of_nothing_is_still_an_article(tmp_path, result_of):
    bare = {"original": {}, "compressed": {}}
    article = comparison_article(bare)
    assert article.lead == "The network: nothing was measured."
    assert titles_of(article) == []
    assert report(tmp_path / "report.html", result_of(bare)).exists()


def test_values_that_are_not_finite_are_shown_as_absent(tmp_path, comparison, result_of):
    comparison["compressed"]["accuracy"]["ncnn"] = float("nan")
    comparison["compressed"]["latency_ms"]["ncnn"] = float("inf")
    page = report(tmp_path / "report.html", result_of(comparison)).read_text(encoding="utf-8")
    figures = [line for line in page.splitlines() if line.strip().startswith('<script type="application/json">')]
    assert len(figures) > 4
    assert not [line for line in figures if "NaN" in line or "Infinity" in line]


def test_a_card_says_what_an_engine_gained(comparison):
    fast, slow = comparison_article(comparison).cards
    assert (fast.title, fast.figure, fast.verdict, fast.tone) == ("onnxruntime", "1.90×", "as fast", "good")
    assert (slow.title, slow.figure, slow.verdict, slow.tone) == ("ncnn", "0.97×", "not faster", "")
    assert (fast.subtitle, slow.subtitle) == ("float32 → int8", "float32")
    assert dict(fast.facts) == {
        "Latency": "0.610 → 0.321 ms",
        "Accuracy": "91.70 → 90.90 % (−0.80)",
        "File": "1,080 → 237 KiB",
    }


def test_the_charts_of_the_engines_hold_the_measured_figures(comparison):
    section = next(one for one in comparison_article(comparison).sections if one.title == "On each engine")
    latency, accuracy = next(one for one in section.content if isinstance(one, Charts)).charts
    assert [one["x"] for one in latency.figure["data"]] == [[0.61, 0.9], [0.321, 0.925]]
    assert [one["x"][0] for one in accuracy.figure["data"]] == pytest.approx([91.7, 90.9])
    assert accuracy.figure["layout"]["xaxis"]["range"] == [0, 100]
    assert accuracy.figure["data"][0]["error_x"]["array"][0] == pytest.approx(0.617, abs=1e-3)

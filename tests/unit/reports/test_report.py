import re
from html.parser import HTMLParser

import pytest
from plotly.offline import get_plotlyjs

from lissome.core.errors import SettingError
from lissome.reports.report import report

HOSTILE = "<script>window.hacked = 1</script>\"'><img src=https://example.org/x onerror=alert(1)>{{ 7 * 7 }}"


class Tags(HTMLParser):
    """Collects every tag of our own with its attributes, and the text outside of scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self._inside = [], [], ""
        self.feed(page.replace(get_plotlyjs(), ""))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text.append(data)


def page_of(tmp_path, *results):
    return report(tmp_path / "report.html", *results).read_text(encoding="utf-8")


def words_of(page):
    return " ".join(" ".join(Tags(page).text).split())


@pytest.fixture
def every_result(comparison, result_of, pruned):
    return result_of(comparison), pruned.outcome, pruned.before


def test_the_page_shows_each_result(tmp_path, every_result):
    page = page_of(tmp_path, *every_result)
    words = words_of(page)
    assert "resnet20 runs 1.90× as fast on onnxruntime (ncnn: 0.97× – not faster)" in words
    assert "269,722" in words
    assert "40,551,040" in words
    assert "kept 8 of 16 channels" in words
    assert "stays whole: reaches the output" in words
    assert "lissome demo --out demo/" in words
    assert [tag for tag, _ in Tags(page).tags].count("h1") == 3


def test_the_page_needs_nothing_beside_it(tmp_path, every_result):
    page = page_of(tmp_path, *every_result)
    assert page.count(get_plotlyjs()) == 1
    ours = page.replace(get_plotlyjs(), "")
    assert not re.search(r"https?://|@import|url\(|src=", ours)
    links = [attrs["href"] for _, attrs in Tags(ours).tags if "href" in attrs]
    assert links
    assert all(link.startswith("#") or link == "data:," for link in links)


def test_the_browser_is_told_to_fetch_nothing(tmp_path, pruned):
    metas = [attrs for tag, attrs in Tags(page_of(tmp_path, pruned.before)).tags if tag == "meta"]
    policy = next(one["content"] for one in metas if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_links_inside_the_page_lead_somewhere(tmp_path, every_result):
    tags = Tags(page_of(tmp_path, *every_result)).tags
    names = [attrs["id"] for _, attrs in tags if "id" in attrs]
    targets = [attrs["href"][1:] for tag, attrs in tags if tag == "a"]
    assert len(names) == len(set(names))
    assert targets
    assert set(targets) <= set(names)


def test_a_hostile_name_stays_text(tmp_path, comparison, result_of):
    comparison["name"] = comparison["recipe_toml"] = HOSTILE
    comparison["warnings"] = comparison["reproduce"] = [HOSTILE]
    comparison["versions"] = comparison["machine"] = {HOSTILE: HOSTILE}
    for side in ("original", "compressed"):
        for figure in ("accuracy", "latency_ms", "engine_file_kib", "precision"):
            comparison[side][figure] = {HOSTILE: 0.5}
    comparison["speedup"] = {HOSTILE: {"ratio": 2.0}}
    comparison["parity"] = {HOSTILE: {HOSTILE: {"max_abs": 0.0}}}
    comparison["profile_original"]["rows"][0]["layer"] = comparison["profile_original"]["rows"][0]["kind"] = HOSTILE
    note = {"layer": HOSTILE, "reason": HOSTILE, "applied": False}
    step = {"step": HOSTILE, "settings": {HOSTILE: HOSTILE}, "measurements": {HOSTILE: HOSTILE}, "notes": [note]}
    comparison["outcome"] = {"step": "Recipe", "parts": [step]}
    page = page_of(tmp_path, result_of(comparison))
    tags = Tags(page)
    assert "<script>window" not in page
    assert "img" not in [tag for tag, _ in tags.tags]
    assert not [attrs for _, attrs in tags.tags if "onerror" in attrs]
    assert words_of(page).count("window.hacked = 1") > 12
    assert "{{ 7 * 7 }}" in page


def test_the_same_results_give_the_same_bytes(tmp_path, comparison, result_of):
    assert page_of(tmp_path, result_of(comparison)) == page_of(tmp_path, result_of(comparison))


def test_the_file_is_replaced_whole(tmp_path, pruned):
    path = tmp_path / "new" / "report.html"
    assert report(path, pruned.before) == path
    first = path.read_bytes()
    assert report(str(path), pruned.outcome) == path
    assert path.read_bytes() != first
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ((), "report: there is no result to show; give a Profile, Outcome or Comparison"),
        ((7,), "report: cannot show a int; give a Profile, Outcome or Comparison"),
        ((int,), "report: cannot show a int; give a Profile, Outcome or Comparison"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(tmp_path, results, message):
    with pytest.raises(SettingError) as error:
        report(tmp_path / "report.html", *results)
    assert str(error.value) == message
    assert not list(tmp_path.iterdir())


def test_a_good_result_beside_a_bad_one_writes_nothing(tmp_path, pruned, result_of):
    with pytest.raises(SettingError, match="cannot show a SimpleNamespace"):
        report(tmp_path / "report.html", pruned.before, result_of({"cells": []}))
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_named_in_one_line(tmp_path, pruned):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(SettingError, match=r"report\.html: cannot be written: .*; give another file") as error:
        report(tmp_path / "report.html", pruned.before)
    assert "\n" not in str(error.value)
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]

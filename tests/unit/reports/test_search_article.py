import pytest

from lissome.reports.report import report
from lissome.reports.search_article import search_article


def text_of(tmp_path, result_of, table):
    return report(tmp_path / "s.html", result_of(table)).read_text()


def test_every_trial_is_there_with_its_recipe_and_figures(whole_search, result_of, tmp_path):
    text = text_of(tmp_path, result_of, whole_search)
    for one in (*whole_search["trials"][:3], *whole_search["finalists"]):
        assert f'<details id="trial-{one["number"]}-{one["stage"]}">' in text
        assert f"Step{one['number']}" in text
    assert "3 networks were tried in 5 min 0 s, and 1 declined: all limits are kept" in text
    assert "9 blocks &lt;cannot&gt; go" in text
    assert "lissome demo --out demo/" in text
    assert "gone" in text  # the layer of the block that was removed
    assert 'http-equiv="refresh"' not in text


def test_the_winner_is_marked_and_compared(whole_search):
    article = search_article(whole_search)
    titles = [one.title for one in article.sections if one.content]
    assert titles[:10] == [
        "Front",
        "Trials",
        "What each group of channels bears",
        "Widths of the winner",
        "Scales of the normalisations",
        "Roofline of the winner",
        "Timeline",
        "Ways to run the original",
        "Declined",
        "To repeat it",
    ]
    assert "Before and after" in titles
    table = article.sections[0].content[-1]
    assert [row[0].text for row in table.groups[0].rows] == [
        "trial 2, full recovery, the winner",
        "trial 0",
        "trial 1",
        "trial 2",
    ]
    assert len(article.cards) == 2


def test_what_a_reader_must_know_comes_first(whole_search):
    table = {**whole_search, "missed": {"max_ms": 0.2}, "is_reproduced": False}
    first, second, *_ = search_article(table).warnings
    assert first == "the final measurement misses max_ms"
    assert "other bytes" in second


def section_of(search, title):
    (found,) = [one for one in search_article(search).sections if one.title == title]
    return found.content


def test_what_each_group_bears_is_a_map_with_the_greatest_share_first(whole_search):
    (chart,) = section_of(whole_search, "What each group of channels bears")[0].charts
    (shades,) = chart.figure["data"]
    assert shades["type"] == "heatmap"
    assert list(shades["x"]) == ["75 % stay", "25 % stay"]
    assert list(shades["y"]) == ["stages.stage1.0.conv1", "stages.stage1.1.conv1"]
    assert [[round(one, 6) for one in row] for row in shades["z"]] == [[0.0, 10.0], [2.0, 40.0]]


def test_what_is_not_known_is_left_out(whole_search):
    search = {**whole_search, "views": {"sensitivity": None, "scales": {"original": None}, "roofline": None}}
    for title in ("What each group of channels bears", "Scales of the normalisations", "Roofline of the winner"):
        assert section_of(search, title) == ()


def test_what_the_winners_steps_declined_is_told(whole_search):
    winner = {**whole_search["winner"], "declined": ["stem.conv: stays whole"]}
    (table,) = section_of({**whole_search, "winner": winner}, "Declined")
    told = [row[2].text for row in table.groups[0].rows if row[1].text == "its steps"]
    assert told == ["stem.conv: stays whole"]


@pytest.mark.parametrize("trials", [0, 1, 3])
def test_a_search_that_still_runs_can_be_shown(whole_search, result_of, tmp_path, trials):
    known = ("name", "path", "seed", "limit", "seconds")
    table = {name: whole_search[name] for name in known} | {
        "trials": whole_search["trials"][:trials],
        "finalists": [],
        "front": [],
        "survey": {},
    }
    assert "the search goes on" in text_of(tmp_path, result_of, table)

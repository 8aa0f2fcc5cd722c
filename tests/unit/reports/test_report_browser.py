"""The page in a real browser: it draws, fetches nothing, and its tables and steps answer to clicks."""

import os
import shutil

import pytest

from lissome.reports.report import report

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 600_000  # a busy machine takes long to read five megabytes of plotly.js
WIDTH = 1200


@pytest.fixture(scope="module")
def open_page(tmp_path_factory):
    """Write a page and open it; whatever goes wrong, and whatever is fetched, is collected."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no Chromium; install it, or name it in CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS, timeout=PATIENCE_MS)

        def open_one(*results):
            path = report(tmp_path_factory.mktemp("page") / "report.html", *results)
            page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
            page.set_default_timeout(PATIENCE_MS)
            page.trouble, page.requests = [], []
            page.on("console", lambda message: page.trouble.append(message.text))
            page.on("pageerror", lambda error: page.trouble.append(str(error)))
            page.on("request", lambda request: page.requests.append(request.url))
            page.goto(path.as_uri())
            return page

        yield open_one
        browser.close()


@pytest.fixture(scope="module")
def page(open_page, whole_comparison, result_of, pruned):
    """One page with a result of each kind, as it takes seconds to open."""
    return open_page(result_of(whole_comparison), pruned.outcome, pruned.timed)


@pytest.fixture(autouse=True)
def no_trouble_and_no_network(page):
    """Whatever a test did with the page: nothing went wrong, and nothing but the page itself was fetched."""
    yield
    assert page.trouble == []
    assert [url.rpartition("/")[2] for url in page.requests] == ["report.html"]


def test_it_draws_every_chart(page):
    assert page.locator(".chart").count() == 2 + 4 + 2 + 4 + 3
    assert page.locator(".chart > .plot-container").count() == 2 + 4 + 2 + 4 + 3
    bars = 2 * 2 + 2 * 3 + 4 * 2 * 20 + 4 * 20 + 2 * 60
    assert page.locator(".chart .bars .point path").count() == bars
    assert page.locator(".chart .scatterlayer .trace").count() == 2 + 3 + 3


def test_a_click_opens_what_a_step_did(page):
    step = page.locator("details", has=page.locator("summary", has_text="1. PruneChannels")).first
    reason = step.get_by_text("stays whole: reaches the output")
    assert not reason.is_visible()
    step.locator("summary").click()
    assert reason.is_visible()
    step.locator("summary").click()
    assert not reason.is_visible()


@pytest.mark.parametrize("width", [390, WIDTH])
def test_it_fits_the_screen_with_everything_open(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    row = page.locator("table.sortable tbody tr").nth(1).bounding_box()
    assert row["height"] < 60  # names of layers take two lines at most, not one letter a line


def test_a_click_on_a_head_sorts_the_layers(page):
    table = page.locator("table.sortable", has=page.locator("thead", has_text="Channels in")).last
    kib_moved = "tbody tr td:nth-child(8)"

    def figures():
        return [int(text.replace(",", "")) for text in table.locator(kib_moved).all_inner_texts()]

    given = figures()
    table.get_by_role("button", name="KiB moved").click()
    falling = figures()
    assert falling == sorted(given, reverse=True) != given
    table.get_by_role("button", name="KiB moved").click()
    assert figures() == sorted(given)
    assert table.locator("th[aria-sort=ascending]").inner_text().startswith("KiB moved")
    table.get_by_role("button", name="Layer").click()
    assert table.locator("tbody tr th").first.inner_text() == "classifier"
    assert table.locator("tfoot tr").last.inner_text().startswith("Whole network")


def test_a_click_opens_every_call_with_its_time(page):
    fold = page.locator("details", has=page.locator("summary", has_text="Every call")).last
    if fold.get_attribute("open") is None:
        fold.locator("summary").click()
    table = fold.locator("table")
    assert table.locator("tbody tr").count() == 78
    table.get_by_role("button", name="ms", exact=True).click()
    times = [float(text) for text in table.locator("tbody tr td:last-child").all_inner_texts()]
    assert times == sorted(times, reverse=True)
    assert times[0] > 0


def test_it_follows_the_readers_theme(page):
    bar = "document.querySelector('.chart .point path').getAttribute('style')"
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(bar), page.evaluate(paper)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"(light) => {bar} !== light", arg=light[0])
    assert page.evaluate(paper) != light[1]


def test_a_hostile_name_is_seen_and_not_run(open_page, comparison, result_of):
    name = "<img src=x onerror='window.hacked = 1'><script>window.hacked = 1</script>"
    comparison["name"] = name
    for row in comparison["profile_original"]["rows"] + comparison["profile_compressed"]["rows"]:
        row["layer"] = name + row["layer"]
    page = open_page(result_of(comparison))
    assert page.locator("h1").inner_text() == name
    assert page.locator(".chart .ytick text").filter(has_text=name).count() == 4 * 20
    assert page.evaluate("window.hacked") is None
    assert page.trouble == []
    assert len(page.requests) == 1


def test_a_click_on_a_point_of_a_search_opens_its_trial(page, open_page, whole_search, result_of):
    search = open_page(result_of(whole_search))
    front = search.locator(".chart").first
    points = front.locator(".scatterlayer .trace").first.locator(".points path")
    assert points.count() == 3
    trial = search.locator("#trial-1-short")
    assert trial.get_attribute("open") is None
    front.scroll_into_view_if_needed()
    box = points.nth(1).bounding_box()
    search.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    search.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    search.wait_for_function("document.getElementById('trial-1-short').open")
    assert trial.get_by_text("Step1").is_visible()
    assert search.locator(".chart .heatmaplayer .hm").count() == 1
    assert search.locator(".chart > .plot-container").count() == search.locator(".chart").count()
    assert search.trouble == []
    assert [url.rpartition("/")[2] for url in search.requests] == ["report.html"]

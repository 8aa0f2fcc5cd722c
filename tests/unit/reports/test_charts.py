import pytest

from lissome.reports.charts import curve, engine_bars, histogram, layer_bars


def engines(name, **more):
    series = {"original": [1.0], "compressed": [None]}
    return engine_bars("latency", [name], series, labels={"original": ["1 ms"], "compressed": ["–"]}, **more)


def test_a_name_with_tags_is_shown_as_it_is():
    name = '<a href="https://example.org">x</a>'
    for chart in (engines(name), layer_bars("MACs", [name], {"network": [1]})):
        assert chart.figure["data"][0]["y"] == ['&lt;a href="https://example.org"&gt;x&lt;/a&gt;']


def test_layers_called_by_numbers_stay_names():
    figure = layer_bars("MACs", ["0", "1"], {"network": [1, 2]}).figure
    assert figure["layout"]["yaxis"]["type"] == "category"
    assert figure["layout"]["yaxis"]["autorange"] == "reversed"


@pytest.mark.parametrize(
    "chart",
    [
        engines("a"),
        layer_bars("MACs", ["a"], {"x": [1], "y": [2]}),
        curve("l", [1], {"l": [2]}),
        histogram("h", "x", [0, 1], [3]),
    ],
)
def test_charts_leave_colours_to_the_page(chart):
    assert "color" not in str(chart.figure)
    assert chart.figure["layout"]["showlegend"] is False


def test_many_layers_stay_readable():
    few, many = (layer_bars("MACs", [str(one) for one in range(size)], {"x": list(range(size))}) for size in (80, 81))
    assert few.figure["layout"]["yaxis"]["showticklabels"]
    assert not many.figure["layout"]["yaxis"]["showticklabels"]
    assert many.height < few.height


def test_errors_are_drawn_where_there_are_any():
    assert "error_x" not in engines("a").figure["data"][0]
    chart = engines("a", errors={"original": [0.1], "compressed": [None]})
    assert chart.figure["data"][0]["error_x"]["array"] == [0.1]


def test_one_series_needs_no_legend():
    assert curve("loss", [1, 2], {"loss": [1.0, 0.5]}).legend == ()
    assert engines("a").legend == ("original", "compressed")


def test_the_bars_of_a_histogram_lie_between_its_edges():
    (bars,) = histogram("λ = 0", "|γ|", [0.0, 0.5, 2.0], [3, 1]).figure["data"]
    assert bars["x"] == [0.25, 1.25]
    assert bars["width"] == [0.5, 1.5]
    assert bars["y"] == [3, 1]

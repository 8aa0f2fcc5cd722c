from lissome.reports.elements import Charts, Fold
from lissome.reports.layer_costs import layer_content, match_layers


def row(layer, channels=8, macs=100, **more):
    shapes = {"inputs": [[1, 3, 4, 4]], "output": [1, channels, 4, 4]}
    return {"layer": layer, "kind": "Conv2d", "params": macs // 2, "macs": macs, "bytes_moved": 2048} | shapes | more


def profile_of(*rows):
    totals = {name: sum(one[name] for one in rows) for name in ("params", "macs", "bytes_moved")}
    return {"name": "net", "rows": list(rows), **totals}


def parts_of(original, compressed):
    charts, fold = layer_content(original, compressed)
    assert isinstance(charts, Charts)
    assert isinstance(fold, Fold)
    (table,) = fold.content
    return charts.charts, table


def texts_of(cells):
    return [f"{one.before} → {one.text}" if one.before else one.text for one in cells]


def test_the_pruned_network_is_shown_beside_the_original(pruned):
    charts, table = parts_of(pruned.before.to_dict(), pruned.after.to_dict())
    rows = {one[0].text: texts_of(one) for one in table.groups[0].rows}
    assert len(rows) == 20
    assert rows["stem.conv"][1:5] == ["Conv2d", "3", "16 → 8", "432 → 216"]
    assert rows["classifier"][3] == "10"
    macs = charts[0].figure["data"]
    assert [one["name"] for one in macs] == ["original", "compressed"]
    assert sum(macs[0]["x"]) == pruned.before.macs
    assert sum(macs[1]["x"]) == pruned.after.macs
    assert charts[0].legend == ("original", "compressed")


def test_the_foot_sums_up_to_the_whole_network(pruned):
    _, table = parts_of(pruned.before.to_dict(), pruned.after.to_dict())
    others, whole = table.totals
    assert others[0].text == "Everything else, 58 calls"
    listed = sum(one[4].order for one in table.groups[0].rows)
    assert listed + others[4].order == whole[4].order == pruned.after.params


def test_one_network_has_shares_instead_of_what_is_left():
    charts, table = parts_of(None, profile_of(row("a", macs=300), row("b", macs=100)))
    assert table.columns[6] == "Share of MACs"
    assert [one[6].text for one in table.groups[0].rows] == ["75.0 %", "25.0 %"]
    assert [len(one.figure["data"]) for one in charts] == [1, 1, 1, 1]
    assert layer_content(profile_of(row("a")), None) == layer_content(None, profile_of(row("a")))


def test_layers_that_went_and_came_are_both_shown():
    _, table = parts_of(profile_of(row("gone"), row("kept")), profile_of(row("kept", channels=4, macs=50), row("new")))
    cells = {one[0].text: texts_of(one) for one in table.groups[0].rows}
    assert list(cells) == ["gone", "kept", "new"]
    assert cells["gone"][5:7] == ["100 → gone", "0.0 %"]
    assert cells["kept"][3:7] == ["8 → 4", "50 → 25", "100 → 50", "50.0 %"]
    assert cells["new"][5:7] == ["100", "–"]


def test_a_layer_called_twice_is_two_calls():
    assert [one.label for one in match_layers(profile_of(row("a"), row("a")), None)] == ["a", "a (2)"]


def test_a_network_that_multiplies_nowhere_shows_all_its_layers():
    _, table = parts_of(None, profile_of(row("relu", macs=0, output=[4], inputs=[])))
    assert texts_of(table.groups[0].rows[0]) == ["relu", "Conv2d", "–", "–", "0", "0", "–", "2"]
    assert len(table.totals) == 1


def test_nothing_to_show_is_nothing():
    assert layer_content(None, None) == ()
    assert layer_content({}, {"rows": []}) == ()

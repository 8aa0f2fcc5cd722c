from lissome.reports.call_table import call_content


def tables_of(profile, **times):
    table = profile.to_dict()
    rows = [{**row, **times} for row in table["rows"]]
    return [fold.content[0] for fold in call_content([row["layer"] for row in rows], rows)]


def test_modules_and_calls_have_the_same_totals(pruned):
    modules, calls = tables_of(pruned.before)
    assert modules.totals == calls.totals
    assert calls.totals[0][3].order == pruned.before.macs
    assert sum(row[3].order for row in modules.groups[0].rows) == pruned.before.macs
    assert len(calls.groups[0].rows) == len(pruned.before.rows)


def test_modules_are_as_deep_as_fits_a_screen(pruned):
    modules, _ = tables_of(pruned.before)
    names = [row[0].text for row in modules.groups[0].rows]
    assert "stages.stage2.1" in names
    assert len(names) <= 30


def test_times_are_shown_where_there_are_any(pruned):
    assert "ms" not in tables_of(pruned.before)[0].columns
    timed = tables_of(pruned.before, ms=2.0, compute_ms=2.0, memory_ms=1.0)[1]
    assert timed.columns[-3:] == ("Compute ms", "Memory ms", "ms")
    assert timed.totals[0][-1].order == 2 * len(pruned.before.rows)


def test_no_calls_no_tables():
    assert call_content([], []) == ()

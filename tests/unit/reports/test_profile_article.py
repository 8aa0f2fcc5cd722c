from lissome.reports.profile_article import profile_article


def test_the_lead_holds_the_totals(pruned):
    article = profile_article(pruned.before.to_dict())
    assert article.title == "ResNetCifar"
    assert article.lead == (
        "269,722 parameters, 40,551,040 multiply-adds (MACs), 6,719,632 bytes moved for an input of 1×3×32×32."
    )
    assert len(article.sections[0].content) == 3


def test_totals_alone_make_an_article():
    article = profile_article({"name": "", "rows": [], "params": 1, "macs": 2})
    assert (article.title, article.lead) == ("Network", "1 parameters, 2 multiply-adds (MACs), – bytes moved.")


def sections_of(profile):
    return {one.title: one.content for one in profile_article(profile).sections if one.content}


def test_a_device_adds_its_section(pruned):
    assert list(sections_of(pruned.before.to_dict())) == ["Cost of each layer", "Memory", "Modules and calls"]
    content = sections_of(pruned.timed.to_dict())["On the device"]
    facts = dict(content[0].facts)
    assert facts["Device"].startswith("Raspberry Pi 4")
    assert facts["Peak, float32"].startswith("13.5 GFLOP/s (13.5 GFLOPS, the published")
    (bars,) = content[2].charts
    assert len(bars.figure["data"][0]["y"]) == 60


def test_operators_that_were_not_counted_are_a_warning(pruned):
    table = pruned.before.to_dict() | {"unknown": ["fft2"]}
    assert profile_article(table).warnings == ("Not counted, as nobody knows their formula: fft2.",)
    assert profile_article(pruned.before.to_dict()).warnings == ()

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

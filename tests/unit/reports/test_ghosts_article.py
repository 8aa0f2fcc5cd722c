import torch
from torch import nn

from lissome.advice.ghosts import ghosts
from lissome.reports.elements import Fold, PicturePairs
from lissome.reports.ghosts_article import ghosts_article
from lissome.reports.report import report


def test_every_layer_has_its_pictures_and_its_histogram(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    found = ghosts(model, torch.randn(3, 3, 12, 12))
    article = ghosts_article(found.to_dict())
    folds = article.sections[1].content
    assert [one.title for one in folds] == ["0", "2"]
    for fold in folds:
        assert isinstance(fold, Fold)
        pictures, charts = fold.content
        assert isinstance(pictures, PicturePairs)
        assert len(pictures.pairs) == 2
        assert sum(charts.charts[0].figure["data"][0]["y"]) == 8
    page = report(tmp_path / "ghosts.html", found).read_text()
    assert page.count('<img src="data:image/png;base64,') == 8

"""Channels that repeat each other, as pictures."""

from collections.abc import Mapping
from typing import Any

from lissome.reports.charts import histogram, layer_bars
from lissome.reports.elements import Article, Charts, Fold, PicturePair, PicturePairs, Prose, Section
from lissome.reports.figures import at, count, number_at, percent

_WHAT = (
    "Similarity of two channels: the size of the correlation of their values over all pixels of all images, at the "
    "output of the convolution. A channel is a ghost if it is that similar to any other: it could be pruned, or made "
    "from the other by a cheap operation. The pictures are of the first image, each from its least to its greatest "
    "value; where the correlation is below 0, one is the other's negative."
)


def ghosts_article(ghosts: Mapping[str, Any]) -> Article:
    """Return the article of a ghost analysis's dict."""
    layers = at(ghosts, "ghost_layers") or []
    threshold = number_at(ghosts, "threshold") or 0.0
    lead = (
        f"{percent(number_at(ghosts, 'share'), 1)} of all channels are at least {threshold:g} similar to another of "
        f"their layer, over {count(number_at(ghosts, 'images'))} images."
    )
    shares = [100 * one["ghosts"] / one["channels"] for one in layers]
    overview = layer_bars("Channels that repeat another, %", [str(one["layer"]) for one in layers], {"ghosts": shares})
    return Article(
        title=f"{at(ghosts, 'name') or 'Network'}: similar feature maps",
        lead=lead,
        sections=(
            Section("All layers", (Charts((overview,)), Prose((_WHAT,)))),
            Section("Each layer", tuple(_layer(one, is_first=place == 0) for place, one in enumerate(layers))),
        ),
    )


def _layer(layer: Mapping[str, Any], *, is_first: bool) -> Fold:
    pairs = tuple(
        PicturePair(
            pictures=(pair["maps"][0], pair["maps"][1]),
            names=(f"channel {pair['first']}", f"channel {pair['second']}"),
            caption=f"correlation {pair['correlation']:+.3f}".replace("-", "−"),
        )
        for pair in layer["pairs"]
    )
    badges: tuple[str, ...] = (f"{count(layer['channels'])} channels", f"{count(layer['ghosts'])} ghosts")
    badges += (f"{len(layer['constant'])} never change",) if layer["constant"] else ()
    counts = layer["histogram"]
    edges = [place / len(counts) for place in range(len(counts) + 1)]
    chart = histogram("Channels by their best similarity", "similarity to the nearest channel", edges, counts)
    return Fold(
        title=str(layer["layer"]), badges=badges, content=(PicturePairs(pairs), Charts((chart,))), is_open=is_first
    )

"""Redundant feature maps: channels that another channel gives but for scale and offset.

They can be pruned, or made by a cheap operation from those that stay (GhostNet).
"""

from typing import ClassVar

from lissome.advice.case import Case
from lissome.advice.rule import Rule
from lissome.advice.tip import Tip

_LIMIT = 0.15  # of a layer's channels


class DistinctMaps(Rule):
    """Convolutions many of whose channels repeat each other or never change."""

    name: ClassVar[str] = "distinct_maps"
    title: ClassVar[str] = "Redundant feature maps"
    source: ClassVar[str] = "Han et al. 2020, GhostNet, arXiv:1911.11907, Figure 1"
    needs_ghosts: ClassVar[bool] = True

    def check(self, case: Case) -> Tip | None:
        """Take half of each set of similar channels, and the constant ones, as not needed."""
        if case.ghosts is None:
            return None
        places = {row.layer: place for place, row in enumerate(case.rows)}
        rows, gain, count = [], 0.0, 0
        for layer in case.ghosts:
            spare = layer.ghosts(case.ghosts.threshold) // 2 + len(layer.constant)
            if layer.layer in places and spare >= _LIMIT * layer.channels / 2:
                rows.append(places[layer.layer])
                gain += case.ms[places[layer.layer]] * spare / layer.channels
                count += spare
        return self.tip(
            case,
            rows,
            why=f"{count} channels of {len(rows)} layers repeat another (similarity ≥ {case.ghosts.threshold:g}) or "
            f"never change, over {case.ghosts.images} images",
            change="prune them, or make them from the others with a GhostModule",
            step="PruneChannels",
            cost_ms=case.time(rows),
            gain_ms=gain,
        )

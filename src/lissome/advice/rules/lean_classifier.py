"""A fat classifier: linear layers on flattened maps hold most of the parameters, each used once a picture.

For one picture a linear layer reads 4 bytes for each multiply-add: it runs at the speed of memory. Averaging the maps
first leaves one small layer.
"""

import math
from dataclasses import replace
from typing import ClassVar

from lissome.advice.case import Case
from lissome.advice.rule import Rule
from lissome.advice.tip import Tip

_LIMIT = 0.3  # of the parameters


class LeanClassifier(Rule):
    """Linear layers with a large share of the parameters, on more than averages."""

    name: ClassVar[str] = "lean_classifier"
    title: ClassVar[str] = "Fat classifier"
    source: ClassVar[str] = "Lin et al. 2013, Network in Network, arXiv:1312.4400, Section 3.2 (global average pooling)"

    def check(self, case: Case) -> Tip | None:
        """Compare with one linear layer on the averages of the last maps."""
        rows = [place for place, row in enumerate(case.rows) if row.operator == "linear"]
        params = sum(case.rows[one].params for one in rows)
        maps = next((row for row in reversed(case.rows) if row.operator == "conv2d"), None)
        if not rows or maps is None or params < _LIMIT * case.cost.params:
            return None
        channels, classes = maps.output[1], case.rows[rows[-1]].output[-1]
        lean = channels * classes
        if params < 2 * lean:
            return None  # it works on averages already, and has that many classes
        batch = maps.output[0]
        macs = batch * lean
        after = replace(
            case.rows[rows[-1]],
            params=lean,
            macs=macs,
            flops=2 * macs,
            bytes_read=4 * (lean + batch * channels),
            bytes_written=4 * batch * classes,
        )
        pooled = replace(
            after,
            macs=0,
            flops=math.prod(maps.output),
            bytes_read=4 * math.prod(maps.output),
            bytes_written=4 * channels,
        )
        return self.tip(
            case,
            rows,
            why=f"{len(rows)} linear layers hold {params:,} of {case.cost.params:,} parameters, each read for "
            "one multiply-add a picture",
            change=f"average the last maps and use one layer of {channels} to {classes}",
            cost_ms=case.time(rows),
            gain_ms=case.gain(rows, [after, pooled]),
            least_share=0.0,  # it is worth a word for its bytes alone
        )

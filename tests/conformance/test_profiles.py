"""`profile` over every published count and the rest of the catalog: to the unit, and no operator unknown."""

import csv
from pathlib import Path

import pytest
import torch

from lissome.models.catalog import CATALOG
from lissome.models.create import create
from lissome.profiling.profile import profile

ROWS = list(csv.DictReader((Path(__file__).parent / "data/zoo_counted.csv").read_text().splitlines()))
OTHERS = [name for name in CATALOG if name not in {row["catalog"] for row in ROWS}]


def cost_of(name, shape, **settings):
    with torch.device("meta"):
        cost = profile(create(name, **settings), (1, *shape))
    assert cost.unknown == ()
    assert sum(row.params for row in cost.rows) == cost.params
    assert cost.flops > 2 * cost.macs - sum(row.memory_bytes for row in cost.rows) / 4
    peaks = cost.peak_memory
    assert 0 < peaks.folded.peak_bytes <= peaks.in_place.peak_bytes <= peaks.separate.peak_bytes
    return cost.params, cost.macs


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['name']}-{row['input']}")
def test_published_counts(row):
    classes = {"classes": 100} if row["classes"] == "100" else {}
    shape = (3, int(row["input"]), int(row["input"]))
    assert cost_of(row["catalog"], shape, **classes) == (int(row["params"]), int(row["macs"]))


@pytest.mark.parametrize("name", OTHERS)
def test_the_rest_of_the_catalog(name):
    entry = CATALOG[name]
    assert cost_of(name, entry.input) == (entry.params, entry.macs)

"""The table itself: entries that are whole, plain, and can be printed as JSON."""

import dataclasses
import json
import re

import pytest

from lissome.core.names import load_attribute
from lissome.models.catalog import CATALOG


@pytest.mark.parametrize("name", CATALOG)
def test_entry_is_whole(name):
    entry = CATALOG[name]
    assert load_attribute(entry.build).__doc__
    assert 2010 <= entry.year <= 2025
    assert re.fullmatch(r"arXiv:\d{4}\.\d{4,5}|.{12,}", entry.paper)
    assert entry.top1 is None or 20 < entry.top1 < 100
    assert len(entry.input) == 3
    assert re.fullmatch(r"[a-z0-9_]+", name)


def test_entries_are_json_and_frozen():
    entry = CATALOG["resnet20"]
    table = json.loads(json.dumps(entry.to_dict()))
    assert table["input"] == [3, 32, 32]
    assert table["settings"] == {"depth": 20, "shortcut": "pad"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.params = 0

"""What the tests of all networks share."""

import inspect

import pytest

from lissome.core.names import load_attribute
from lissome.models.catalog import CATALOG


@pytest.fixture(scope="session")
def form_for_tests():
    """Return the settings and the image shape of a network's cheapest form: 32x32 pixels wherever it takes them."""

    def form(name):
        entry = CATALOG[name]
        if "small_input" in inspect.signature(load_attribute(entry.build)).parameters:
            return {"small_input": True}, (entry.input[0], 32, 32)
        return {}, entry.input

    return form

import copy
import inspect
import pickle

import pytest

from lissome.core import errors
from lissome.core.errors import LissomeError

CLASSES = [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, Exception)]


def _drawn_parents():
    """Read the tree in the module's docstring: class name to the name of its parent."""
    parents, path = {}, []
    for line in errors.__doc__.splitlines():
        if "Error " not in line or not line.startswith("    "):
            continue
        stem, _, rest = line.rpartition("── ")
        name = rest.split()[0]
        depth = len(stem) // 4
        path = [*path[:depth], name]
        parents[name] = path[-2] if depth else "Exception"
    return parents


def test_the_drawn_tree_is_the_tree():
    assert _drawn_parents() == {one.__name__: one.__base__.__name__ for one in CLASSES}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "it broke"),
        ({"where": "conv1"}, "conv1: it broke"),
        ({"fix": "mend it"}, "it broke; mend it"),
        ({"where": "conv1", "fix": "mend it"}, "conv1: it broke; mend it"),
    ],
)
def test_a_message_is_one_line_of_where_what_fix(given, text):
    assert str(LissomeError("it broke", **given)) == text


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_survives_copying_and_pickling(kind):
    error = kind("it broke", where="conv1", fix="mend it")
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert (twin.what, twin.where, twin.fix) == ("it broke", "conv1", "mend it")

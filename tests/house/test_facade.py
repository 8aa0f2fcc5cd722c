"""Everything public is in `lissome.__all__`, documented, and known to the reference and the changelog."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import lissome
from lissome.core.names import load_attribute


def _seen_by_type_checkers():
    """Read the imports under TYPE_CHECKING: name to where it comes from."""
    tree = ast.parse(Path(lissome.__file__).read_text())
    (block,) = [one for one in tree.body if isinstance(one, ast.If)]
    return {alias.name: f"{one.module}:{alias.name}" for one in block.body for alias in one.names}


@pytest.mark.parametrize("name", lissome.__all__)
def test_a_public_name_resolves_and_is_documented(name):
    value = getattr(lissome, name)
    if name not in ("CATALOG", "DEVICES"):  # a plain mapping has no docstring of its own
        assert inspect.getdoc(value), f"{name} has no docstring"
        assert value.__name__.rpartition(".")[2] == name


@pytest.mark.parametrize("document", ["CHANGELOG.md", "docs/reference.md"])
def test_public_names_are_mentioned(root, document):
    words = set(re.findall(r"[`.](\w+)\b", (root / document).read_text()))
    assert sorted(set(lissome.__all__) - words) == []


def test_names_are_listed_once_and_in_order():
    assert len(set(lissome.__all__)) == len(lissome.__all__)
    assert sorted(lissome.__all__) == sorted(lissome._HOMES)
    assert set(lissome.__all__) <= set(dir(lissome))


def test_type_checkers_see_what_python_loads():
    seen = _seen_by_type_checkers()
    assert sorted(seen) == sorted(lissome._HOMES)
    different = {name: path for name, path in seen.items() if load_attribute(lissome._HOMES[name]) is not _load(path)}
    assert different == {}


def _load(path):
    try:
        return load_attribute(path)
    except AttributeError:  # `from package import module`
        return load_attribute(path.replace(":", "."))


def test_all_errors_are_public():
    from lissome.core import errors

    classes = {name for name, one in vars(errors).items() if inspect.isclass(one) and issubclass(one, Exception)}
    assert classes <= set(lissome.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'lissome' has no attribute 'prune'"):
        _ = lissome.prune


def test_no_room_has_the_name_of_something_public():
    folder = Path(lissome.__file__).parent
    modules = {one.stem for one in folder.glob("*.py")} | {one.parent.name for one in folder.glob("*/__init__.py")}
    assert modules & set(lissome.__all__) == set()


def test_the_version_is_the_installed_one():
    from importlib.metadata import version

    assert version("lissome") == lissome.__version__

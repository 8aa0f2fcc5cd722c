"""House rules that no linter knows."""

import ast
import re
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import lissome

SOURCE = Path(lissome.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))

# A call of one of these can run what a file says. `torch.load` may be called with weights_only=True.
PICKLES = {
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "pickle.dump", "pickle.dumps", "marshal.load"),
    *("marshal.loads", "shelve.open", "torch.save", "torch.jit.load", "eval", "exec", "yaml.load"),
}

DEVELOPERS_EXTRAS = ("test", "check", "docs")


@cache
def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def _calls(path):
    """Yield each call in a file: the dotted name and the keyword arguments that are literals."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Call):
            literals = {one.arg: one.value.value for one in node.keywords if isinstance(one.value, ast.Constant)}
            yield ast.unparse(node.func), literals, node.lineno


def test_no_file_is_longer_than_400_lines():
    lengths = {str(path.relative_to(SOURCE)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: lines for path, lines in lengths.items() if lines > 400} == {}


def test_no_pickle_is_loaded():
    found = []
    for path in MODULES:
        for name, literals, line in _calls(path):
            unsafe_load = name == "torch.load" and literals.get("weights_only") is not True
            if name in PICKLES or unsafe_load or literals.get("allow_pickle") is True:
                found.append(f"{path.relative_to(SOURCE)}:{line} {name}")
    assert found == []


def test_types_are_shipped():
    assert (SOURCE / "py.typed").is_file()


def _project(root):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_file_beside_the_code_is_packaged(root):
    patterns = _project(root)["tool"]["setuptools"]["package-data"]["lissome"]
    packaged = {path for pattern in patterns for path in SOURCE.glob(pattern)}
    data = {path for path in SOURCE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert sorted(str(path.relative_to(SOURCE)) for path in data - packaged) == []


def _names(requirements):
    return {re.split(r"[<>=!~;\[ ]", one, maxsplit=1)[0].lower().replace("_", "-") for one in requirements}


def test_every_package_that_is_imported_is_a_stated_dependency(root):
    project = _project(root)["project"]
    stated = _names(project["dependencies"])
    extras = {name: rows for name, rows in project["optional-dependencies"].items() if name not in DEVELOPERS_EXTRAS}
    optional = _names(one for rows in extras.values() for one in rows)
    homes = packages_distributions()
    missing = set()
    for path in MODULES:
        at_import = set(_tree(path).body)  # what an extra brings may be imported inside of a function alone
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                allowed = stated if node in at_import else stated | optional
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else names
            for top in {name.partition(".")[0] for name in names} & set(homes) - {"lissome"}:
                if not {home.lower().replace("_", "-") for home in homes[top]} & allowed:
                    missing.add(f"{top} in {path.relative_to(SOURCE)}")
    assert sorted(missing) == []


def test_every_stated_dependency_is_pinned(root):
    project = _project(root)["project"]
    stated = _names(
        [*project["dependencies"], *(one for row in project["optional-dependencies"].values() for one in row)]
    )
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    assert sorted(stated - _names(pins)) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_says_what_it_is_for(path):
    if path.name == "__init__.py" and not path.read_text(encoding="utf-8").strip():
        pytest.fail("an empty __init__.py: say what the room is for")
    assert ast.get_docstring(_tree(path))

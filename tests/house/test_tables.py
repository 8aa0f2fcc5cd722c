"""Tables are literal, and what they name is settings."""

import ast
import dataclasses
import inspect
from pathlib import Path

import pytest

from lissome import tables
from lissome.core.names import load_attribute
from lissome.core.step import Step

TABLES = {name: table for name, table in vars(tables).items() if name.isupper() and isinstance(table, dict)}


@pytest.mark.parametrize("kind", tables.KINDS)
def test_a_kind_is_a_frozen_dataclass_that_says_what_it_does(kind):
    cls = load_attribute(tables.KINDS[kind])
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen
    assert all(one.kw_only for one in dataclasses.fields(cls))
    assert "__slots__" in vars(cls)
    # A dataclass without a docstring gets its signature as one.
    assert not inspect.getdoc(cls).startswith(f"{kind}(")
    for base in cls.__mro__[1:]:
        assert inspect.getdoc(cls) != inspect.getdoc(base)


@pytest.mark.parametrize("name", tables.STEPS)
def test_a_step_is_a_step(name):
    assert issubclass(load_attribute(tables.STEPS[name]), Step)


def test_all_steps_are_in_the_table():
    found = set()
    for path in Path(tables.__file__).parent.rglob("*.py"):
        classes = [
            one for one in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(one, ast.ClassDef)
        ]
        found |= {one.name for one in classes if "Step" in map(ast.unparse, one.bases)}
    assert found - {"Recipe"} == set(tables.STEPS)


def test_no_kind_is_in_two_tables():
    names = [name for title, table in TABLES.items() if title != "KINDS" for name in table]
    assert len(names) == len(set(names))
    assert sorted(names) == sorted(tables.KINDS)


def test_tables_are_literal():
    tree = ast.parse(Path(tables.__file__).read_text(encoding="utf-8"))
    values = {one.target.id: one.value for one in tree.body if isinstance(one, ast.AnnAssign)}
    assert set(values) == set(TABLES)
    for title, value in values.items():
        if title != "KINDS":
            assert ast.literal_eval(value) == TABLES[title]

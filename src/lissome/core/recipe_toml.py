"""Recipes as TOML: one table a step, nothing more. TOML has no empty value; "none" stands for None."""

import dataclasses
import tomllib
import typing
from collections.abc import Mapping
from typing import Any

import tomli_w
from pydantic import ConfigDict, ValidationError, create_model

from lissome.core.errors import BadRecipeError, LissomeError
from lissome.core.names import choose, load_attribute
from lissome.core.recipe import Recipe
from lissome.core.settings import settings_of
from lissome.core.step import Step

_NONE = "none"


def recipe_to_toml(step: Step) -> str:
    """Write a step or recipe as TOML.

    Raises:
        BadRecipeError: A setting is a module (a teacher, say), which a text file cannot hold.

    Example:
        >>> from lissome.compression.folding.fold_batch_norm import FoldBatchNorm
        >>> print(recipe_to_toml(Recipe(FoldBatchNorm())))
        [[steps]]
        kind = "FoldBatchNorm"
        <BLANKLINE>
    """
    return settings_to_toml(settings_of(step))


def settings_to_toml(settings: Mapping[str, Any]) -> str:
    """Write the settings in a receipt as the recipe they came from.

    Raises:
        BadRecipeError: As `recipe_to_toml`.
    """
    _refuse_modules(settings, "recipe")
    entries = settings.get("steps", []) if settings.get("kind") == "Recipe" else [settings]
    # A header for each step reads better than the one long array that the writer would choose.
    steps = [tomli_w.dumps({"steps": _with_words(one)}) for one in entries]
    return "\n".join(text.replace("[steps]", "[[steps]]", 1) for text in steps) or "steps = []\n"


def recipe_from_toml(text: str, kinds: Mapping[str, str]) -> Recipe:
    """Read what `recipe_to_toml` wrote, or a person did.

    Args:
        text: The TOML.
        kinds: Names of steps, scores, formats … to "module:class".

    Raises:
        BadRecipeError: The text is no TOML, or a table has a wrong setting; says which step.
        UnknownNameError: A kind that does not exist; says what was probably meant.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRecipeError(f"is not TOML: {error}", where="recipe") from error
    return _read_recipe(table, "recipe", kinds)


def _read_recipe(table: dict[str, Any], where: str, kinds: Mapping[str, str]) -> Recipe:
    unknown = sorted(set(table) - {"steps"})
    if unknown or not isinstance(table.get("steps"), list):
        raise BadRecipeError(
            f"unknown table {unknown[0]!r}" if unknown else "has no steps",
            where=where,
            fix="write one [[steps]] table a step",
        )
    entries = enumerate(table["steps"], start=1)
    return Recipe(*(_read_step(entry, f"{where} step {number}", kinds) for number, entry in entries))


def _read_step(entry: Any, where: str, kinds: Mapping[str, str]) -> Step:
    step = _read(entry, where, kinds)
    if not isinstance(step, Step):
        raise BadRecipeError(f"{type(step).__name__} is no step", where=where, fix='write a table with kind = "…"')
    return step


def _read(value: Any, where: str, kinds: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return tuple(_read(entry, where, kinds) for entry in value)
    if not isinstance(value, dict):
        return value
    if "kind" not in value:
        raise BadRecipeError("a table has no kind", where=where, fix='add kind = "…"')
    if value["kind"] == "Recipe":
        return _read_recipe({name: entry for name, entry in value.items() if name != "kind"}, where, kinds)
    cls = load_attribute(choose(kinds, str(value["kind"]), "kind"))
    plain = {name for name, hint in typing.get_type_hints(cls).items() if typing.get_origin(hint) is Mapping}
    fields = {
        name: entry if name in plain else _read(entry, where, kinds) for name, entry in value.items() if name != "kind"
    }
    return _construct(cls, fields, f"{where} ({value['kind']})")


def _construct(cls: type, fields: dict[str, Any], where: str) -> Any:
    # pydantic checks each value against the annotation, strictly: "0.5" is no number and 0.5 is no whole number.
    known = {one.name: one for one in dataclasses.fields(cls) if one.init}
    for name in fields:
        choose({one: one for one in known}, name, f"setting of {cls.__name__}")
    hints = typing.get_type_hints(cls)
    optional = {name for name in fields if type(None) in typing.get_args(hints[name])}
    fields = {name: None if name in optional and value == _NONE else value for name, value in fields.items()}
    shape: dict[str, Any] = {name: (hints[name], ...) for name in fields}
    config = ConfigDict(strict=True, arbitrary_types_allowed=True)
    try:
        checked = create_model(cls.__name__, __config__=config, **shape)(**fields)
        return cls(**{name: getattr(checked, name) for name in fields})
    except ValidationError as error:
        first = error.errors()[0]
        raise BadRecipeError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", where=where) from error
    except LissomeError as error:
        raise BadRecipeError(str(error), where=where) from error
    except TypeError as error:
        raise BadRecipeError(str(error), where=where) from error


def _refuse_modules(value: Any, where: str) -> None:
    if isinstance(value, dict):
        if value.get("kind") == "module":
            raise BadRecipeError(
                f"a {value['class']} cannot be written to TOML", where=where, fix='use teacher="original"'
            )
        for name, entry in value.items():
            _refuse_modules(entry, name)
    elif isinstance(value, list):
        for entry in value:
            _refuse_modules(entry, where)


def _with_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_words(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_with_words(entry) for entry in value]
    return _NONE if value is None else value

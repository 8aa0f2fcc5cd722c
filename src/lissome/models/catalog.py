"""CATALOG: every network by name, with the paper, the exact cost, and the published accuracy. Loads no torch.

The entries live in `catalog.toml`; `tests/conformance/test_models.py` counts each of them again.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One network of the catalog.

    Args:
        build: "module:attribute" of what builds it.
        family: Family it belongs to, as in "mobilenet".
        year: Year of the paper.
        paper: "arXiv:…" or a citation.
        params: Number of parameters with the default classes and input channels.
        macs: Multiply-adds of convolutions and linear layers for one image of shape `input`.
        top1: Published top-1 accuracy in percent on `dataset`, or None where nothing is published.
        dataset: What `top1` and the default classes are about.
        input: Shape of one image, (channels, height, width).
        settings: Keyword arguments that make the builder build this network.
    """

    build: str
    family: str
    year: int
    paper: str
    params: int
    macs: int
    top1: float | None = None
    dataset: str = "imagenet"
    input: tuple[int, int, int]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as what JSON can hold."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "input": list(self.input),
            "settings": dict(self.settings),
        }


def _read() -> dict[str, Entry]:
    table = tomllib.loads(resources.files(__package__).joinpath("catalog.toml").read_text("utf-8"))
    return {name: Entry(**row | {"input": tuple(row["input"])}) for name, row in table.items()}


CATALOG: Mapping[str, Entry] = _read()

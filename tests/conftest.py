"""What all tests share."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# The same examples on every run: a failure is the fault of the change at hand. Models are slow at first call.
settings.register_profile("house", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("house")


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real data sets; a test that asks for them is marked `data`, and skipped where they are not."""
    folder = Path(os.environ.get("LISSOME_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data sets in {folder}; set LISSOME_DATA")
    return folder


@pytest.fixture(autouse=True)
def _same_random_state():
    """Each test starts from the same global random state, whatever ran before it."""
    torch.manual_seed(0)

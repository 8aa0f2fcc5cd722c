"""What every engine looks like: files are loaded into a session, and a session runs."""

import importlib
import importlib.metadata
import importlib.util
import os
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from lissome.core.errors import BadArtifactError, EngineError, EngineMissingError, LissomeError, SettingError

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """What a session is.

    Args:
        engine: Name of the engine.
        version: Its version.
        precision: What it computes in: "float32", "int8".
        threads: How many threads it uses.
    """

    engine: str
    version: str
    precision: str
    threads: int

    def to_dict(self) -> dict[str, Any]:
        """Return the description as plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.engine} {self.version}, {self.precision}, {threads}"


class Session(Protocol):
    """A network loaded in an engine."""

    def run(self, *images: Array) -> tuple[Array, ...]:
        """Return the outputs, which the caller owns.

        Shape:
            images: One float32 array (N, …) an input, of any N; returns one array (N, …) an output.
        """

    def describe(self) -> SessionDescription:
        """Return engine, version, precision and threads."""


class Runtime(ABC):
    """One engine. Subclasses name themselves and open files.

    Attributes:
        name: The engine's name in `RUNTIMES`.
        package: What pip installs.
        module: What Python imports.
        files: The files it loads, relative to an artifact's folder.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    module: ClassVar[str]
    files: ClassVar[tuple[str, ...]]

    def available(self) -> bool:
        """Tell whether the engine is installed, without loading it."""
        return importlib.util.find_spec(self.module) is not None

    def version(self) -> str:
        """Return the engine's version.

        Raises:
            EngineMissingError: The engine is not installed.
        """
        self.require()
        return importlib.metadata.version(self.package)

    def require(self) -> None:
        """Refuse if the engine is not installed.

        Raises:
            EngineMissingError: Says the pip line.
        """
        if not self.available():
            raise EngineMissingError(f"{self.name} is not installed", fix=f"pip install {self.package}")

    def load(self, folder: str | os.PathLike[str], *, threads: int = 1, precision: str | None = None) -> Session:
        """Load a network.

        Args:
            folder: Where `files` lie.
            threads: Threads of the engine, ≥ 1.
            precision: What it must compute in; None takes what the files say.

        Raises:
            EngineMissingError: The engine is not installed.
            SettingError: A setting that the engine cannot honour.
            BadArtifactError: A file is not there.
            EngineError: The engine refuses the files.
        """
        self.require()
        if threads < 1:
            raise SettingError(f"threads is {threads}", where=self.name, fix="choose at least 1")
        absent = [name for name in self.files if not Path(folder, name).is_file()]
        if absent:
            raise BadArtifactError(f"{self.name} needs {absent[0]}, which is not there", where=os.fspath(folder))
        lacking = self.unsupported(folder)
        if lacking:
            raise EngineError(f"{self.name} has no operator for {', '.join(lacking)}", fix="choose another runtime")
        try:
            session = self._open(Path(folder), threads)
        except LissomeError:
            raise
        except Exception as error:  # each engine raises its own kinds
            raise EngineError(f"{self.name} refuses the network: {first_line(error)}") from error
        actual = session.describe().precision
        if precision not in (None, actual):
            raise SettingError(
                f"computes these files in {actual}, not {precision}",
                where=self.name,
                fix="leave precision out, or export for that precision",
            )
        return session

    def unsupported(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return the operators in the files that the engine is known to lack, before anything is loaded.

        Engines that can only tell by loading return none here and refuse in `load`.
        """
        return ()

    @abstractmethod
    def _open(self, folder: Path, threads: int) -> Session:
        """Load the files; everything has been checked."""

    def _engine(self) -> Any:
        return importlib.import_module(self.module)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]

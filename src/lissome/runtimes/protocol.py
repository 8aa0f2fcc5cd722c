"""What every engine looks like: files are loaded into a session, and a session runs."""

import importlib
import importlib.metadata
import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from lissome.core.errors import BadArtifactError, EngineError, EngineMissingError, LissomeError, SettingError
from lissome.core.names import choose

Array = npt.NDArray[np.float32]

Option = str | bool
"""The value of an engine's option."""


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """What a session is.

    Args:
        engine: Name of the engine.
        version: Its version.
        precision: What it computes in: "float32", "float16", "bfloat16", "int8".
        threads: How many threads it uses.
        options: The engine's options that are not at their default.
    """

    engine: str
    version: str
    precision: str
    threads: int
    options: Mapping[str, Option] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the description as plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        options = "".join(f", {name} {_word(value)}" for name, value in self.options.items())
        return f"{self.engine} {self.version}, {self.precision}, {threads}{options}"


def _word(value: Option) -> str:
    return value if isinstance(value, str) else "on" if value else "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """What a session is opened with, after everything was checked.

    Args:
        threads: Threads of the engine.
        precision: What it must compute in.
        options: A value for every option of the engine.
    """

    threads: int
    precision: str
    options: Mapping[str, Option]


class Session(Protocol):
    """A network loaded in an engine. Several threads may run it at once; engines that cannot take turns inside."""

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
        precisions: All it can be asked to compute in, where the files and the machine allow it.
        options: What else it can be asked, with the values it takes; the first is the default.
        worth_trying: Combinations of options that are quicker for some networks.
        exact: Options that make it round less, for a network that its defaults compute too roughly.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    module: ClassVar[str]
    files: ClassVar[tuple[str, ...]]
    precisions: ClassVar[tuple[str, ...]] = ("float32",)
    options: ClassVar[Mapping[str, tuple[Option, ...]]] = {}
    worth_trying: ClassVar[tuple[Mapping[str, Option], ...]] = ({},)
    exact: ClassVar[Mapping[str, Option]] = {}

    @property
    def install(self) -> str:
        """The line that installs the engine and what converts for it."""
        return f"pip install {self.package}"

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
            raise EngineMissingError(f"{self.name} is not installed", fix=self.install)

    def load(
        self,
        folder: str | os.PathLike[str],
        *,
        threads: int = 1,
        precision: str | None = None,
        options: Mapping[str, Option] | None = None,
    ) -> Session:
        """Load a network.

        Args:
            folder: Where `files` lie.
            threads: Threads of the engine, ≥ 1.
            precision: What it must compute in; None takes the first of `offers`.
            options: Options of this engine that are not to be at their default.

        Raises:
            EngineMissingError: The engine is not installed.
            SettingError: A setting that the engine cannot honour.
            UnknownNameError: An option that the engine does not have.
            BadArtifactError: A file is not there.
            EngineError: The engine refuses the files.
        """
        self.require()
        if threads < 1:
            raise SettingError(f"threads is {threads}", where=self.name, fix="choose at least 1")
        chosen = self._checked(options or {})
        absent = [name for name in self.files if not Path(folder, name).is_file()]
        if absent:
            raise BadArtifactError(f"{self.name} needs {absent[0]}, which is not there", where=os.fspath(folder))
        lacking = self.unsupported(folder)
        if lacking:
            raise EngineError(f"{self.name} has no operator for {', '.join(lacking)}", fix="choose another runtime")
        try:
            settings = SessionSettings(threads=threads, precision=self._precision(folder, precision), options=chosen)
            session = self._open(Path(folder), settings)
        except LissomeError:
            raise
        except Exception as error:  # each engine raises its own kinds
            raise EngineError(f"{self.name} refuses the network: {first_line(error)}") from error
        actual = session.describe().precision
        if actual != settings.precision:
            raise SettingError(f"computes in {actual}, though asked for {settings.precision}", where=self.name)
        return session

    def open_as(self, folder: str | os.PathLike[str], settings: SessionSettings) -> Session:
        """Open files that were checked elsewhere, with settings that were: on a device that has the engine alone.

        Args:
            folder: Where `files` lie.
            settings: Threads, precision, and a value for every option.

        Raises:
            EngineMissingError: The engine is not installed.
            EngineError: It refuses the files.
        """
        self.require()
        try:
            return self._open(Path(folder), settings)
        except LissomeError:
            raise
        except Exception as error:  # each engine raises its own kinds
            raise EngineError(f"{self.name} refuses the network: {first_line(error)}") from error

    def offers(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return what these files can be computed in on this machine; the first is taken when nothing is asked for.

        Args:
            folder: Where `files` lie.
        """
        return tuple(one for one in self.precisions if one != "int8")

    def _precision(self, folder: str | os.PathLike[str], asked: str | None) -> str:
        offered = self.offers(folder)
        if asked not in (None, *offered):
            raise SettingError(
                f"computes these files in {' or '.join(offered)}, not {asked}",
                where=self.name,
                fix="leave precision out, or export for that precision",
            )
        return asked or offered[0]

    def _checked(self, options: Mapping[str, Option]) -> dict[str, Option]:
        """Return a value for every option, or refuse one that the engine cannot honour."""
        for name, value in options.items():
            allowed = choose(self.options, name, f"option of {self.name}")
            if not any(value is one or (isinstance(value, str) and value == one) for one in allowed):
                raise SettingError(
                    f"option {name} is {value!r}", where=self.name, fix=f"choose of {', '.join(map(repr, allowed))}"
                )
        return {name: options.get(name, values[0]) for name, values in self.options.items()}

    def _describe(self, settings: SessionSettings, precision: str | None = None) -> SessionDescription:
        """Return what a session is that was opened with these settings."""
        changed = {name: value for name, value in settings.options.items() if value != self.options[name][0]}
        return SessionDescription(self.name, self.version(), precision or settings.precision, settings.threads, changed)

    def unsupported(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return the operators in the files that the engine is known to lack, before anything is loaded.

        Engines that can only tell by loading return none here and refuse in `load`.
        """
        return ()

    def float_layers(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return the layers that these files have in integers and that this engine multiplies in float all the same.

        Looked up in what the engine has made of the files. An engine that takes a layer's own word for it, integers or
        not, returns none.

        Args:
            folder: Where `files` lie.
        """
        return ()

    @abstractmethod
    def _open(self, folder: Path, settings: SessionSettings) -> Session:
        """Load the files; everything has been checked."""

    def _engine(self) -> Any:
        return importlib.import_module(self.module)


class ReadsOnnx(Runtime):
    """An engine whose files are made of an ONNX graph by its own tools."""

    @abstractmethod
    def convert(self, graph: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
        """Write this engine's `files` below a folder.

        Args:
            graph: An .onnx file.
            folder: Where to write.

        Raises:
            EngineMissingError: The engine is not installed.
            ConversionError: The engine cannot take the graph; says why.
        """


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]

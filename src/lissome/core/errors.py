"""Every error lissome raises, as one tree.

::

    LissomeError                what, where, fix; the command line turns it into one line and exit code 2
    ├── SettingError            a setting out of its range, or two that exclude each other
    ├── UnknownNameError        a name that no table has; says what was probably meant
    ├── BadDataError            data that cannot be read, are empty, of mixed sizes, or of one class only
    ├── BadModelError           a model that cannot be used as it is
    │   ├── WeightsError        weights that do not fit the model, or are not finite
    │   ├── ShapeError          an input of the wrong shape
    │   └── TraceError          a forward that cannot be turned into a graph; names the line
    ├── BadRecipeError          a recipe file that cannot be read
    ├── BadArtifactError        an artifact that is corrupt, truncated, or not ours
    ├── EngineError             an inference engine refused
    │   ├── EngineMissingError  the engine is not installed; says the pip line
    │   ├── ConversionError     the model could not be converted for the engine
    │   ├── ParityError         the converted model computes something else
    │   └── TooSlowError        the converted model is not as fast as was demanded
    └── RunError                a run directory that belongs to another run, or is in use
"""


class LissomeError(Exception):
    """The root of the tree: says what happened, where, and what to do.

    Args:
        what: What is wrong, in one clause.
        where: The layer path, file or setting it is about.
        fix: What the user can do.

    Example:
        >>> print(LissomeError("keep is 1.5", where="PruneChannels", fix="choose a value in (0, 1]"))
        PruneChannels: keep is 1.5; choose a value in (0, 1]
    """

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, where, fix
        # One argument only: copying and pickling (between worker processes) rebuild an error from `args`.
        super().__init__(what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f"; {self.fix}" if self.fix else ""
        return f"{place}{self.what}{remedy}"


class SettingError(LissomeError):
    """A setting is out of its range, or excludes another."""


class UnknownNameError(LissomeError):
    """A name that the table does not have."""


class BadDataError(LissomeError):
    """Data that cannot be read or are not enough to work with."""


class BadModelError(LissomeError):
    """A model that cannot be used as it is."""


class WeightsError(BadModelError):
    """Weights that do not fit the model, or are not finite."""


class ShapeError(BadModelError):
    """An input whose shape the model does not take."""


class TraceError(BadModelError):
    """A forward that cannot be turned into a graph."""


class BadRecipeError(LissomeError):
    """A recipe file that cannot be read."""


class BadArtifactError(LissomeError):
    """An artifact that is corrupt, truncated, or not ours."""


class EngineError(LissomeError):
    """An inference engine refused."""


class EngineMissingError(EngineError):
    """The engine is not installed."""


class ConversionError(EngineError):
    """The model could not be converted for the engine."""


class ParityError(EngineError):
    """The converted model computes something else than the source."""


class TooSlowError(EngineError):
    """The converted model is not as fast as was demanded."""


class RunError(LissomeError):
    """A run directory that belongs to another run, or is in use."""

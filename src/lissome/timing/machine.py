"""What the measurements ran on: kept in `core`, since loading an artifact asks for it, too."""

from lissome.core.machine import describe_machine

__all__ = ["describe_machine"]

"""How often the system took the processor away from this process."""

try:
    import resource
except ImportError:  # Windows does not count it
    resource = None  # type: ignore[assignment]


def involuntary_switches() -> int:
    """Return how often this process had to make room for another one so far; 0 where the system does not tell.

    Example:
        >>> involuntary_switches() >= 0
        True
    """
    return 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw

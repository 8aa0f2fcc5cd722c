"""A device that the system's ssh reaches: a bundle goes there, runs, and its measurements come back."""

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lissome.core.errors import EngineError, SettingError
from lissome.exporting.parity import limits_for
from lissome.timing.bundle import bundle_of
from lissome.timing.device import DeviceFacts, EngineFiles, Timed, Turns
from lissome.timing.device_results import DeviceResults

_URL = re.compile(r"ssh://(?:(?P<user>[\w][\w.-]*)@)?(?P<host>[\w][\w.-]*|\[[0-9a-fA-F:]+\])(?::(?P<port>\d+))?/?")
_RUN = 'f=$(mktemp) && cat > "$f" && {python} "$f"; s=$?; rm -f "$f"; exit $s'
_PYTHON = re.compile(r"[\w./-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A device that the system's ssh reaches, with keys and settings of its own: nothing is asked.

    Args:
        url: ``ssh://user@host:port``.
        python: The Python there, with the engine's package.
        ssh: The program and its options.
        seconds: Time limit of one bundle, > 0.

    Raises:
        SettingError: The address or the Python's name is none.

    Example:
        >>> Remote(url="ssh://pi@kitchen:2222").command()[-1]
        'f=$(mktemp) && cat > "$f" && python3 "$f"; s=$?; rm -f "$f"; exit $s'
    """

    url: str
    python: str = "python3"
    ssh: Sequence[str] = ("ssh",)
    seconds: float = 900.0

    def __post_init__(self) -> None:
        if not _URL.fullmatch(self.url):
            raise SettingError(f"{self.url!r} is no device", where="--device", fix="write ssh://user@host or …:port")
        if not _PYTHON.fullmatch(self.python) or self.python.startswith("-"):
            raise SettingError(f"{self.python!r} is no program", where="--python", fix="write python3 or its path")
        if not self.ssh or not self.seconds > 0:
            raise SettingError("ssh or the time limit is empty", where="Remote", fix="give both")

    def command(self) -> list[str]:
        """Return the command that reads a bundle from its input and writes measurements to its output."""
        found = _URL.fullmatch(self.url)
        assert found is not None
        host = found["host"].strip("[]")
        port = ["-p", found["port"]] if found["port"] else []
        target = f"{found['user']}@{host}" if found["user"] else host
        return [*self.ssh, "-o", "BatchMode=yes", *port, target, _RUN.format(python=self.python)]

    def run(self, bundle: str | Path) -> DeviceResults:
        """Run a bundle there and return what it measured.

        Raises:
            EngineError: ssh or the bundle fails there; carries the last line of what it said.
        """
        try:
            with Path(bundle).open("rb") as file:
                ended = subprocess.run(
                    self.command(), stdin=file, capture_output=True, timeout=self.seconds, check=False
                )
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"took longer than {self.seconds:g} s", where=self.url) from error
        except OSError as error:
            raise EngineError(f"ssh cannot be started: {error.strerror}", where=self.url, fix="install ssh") from error
        if ended.returncode != 0:
            lines = [one for one in ended.stderr.decode("utf-8", "replace").splitlines() if one.strip()]
            said = lines[-1][:300] if lines else f"it ended with {ended.returncode}"
            raise EngineError(f"the bundle did not run: {said}", where=self.url, fix="try ssh by hand")
        return DeviceResults.from_json(ended.stdout.decode("utf-8", "replace"), where=self.url)

    def facts(self, engines: Sequence[str]) -> DeviceFacts:
        """Return what the device is, and the versions of its engines.

        Raises:
            EngineError: An engine is not installed there, or the device is not reached.
        """
        found = self._bundled({}, Turns(), engines)
        return DeviceFacts(machine=found.machine, versions=found.versions, fingerprints=found.fingerprints)

    def time(self, networks: Mapping[str, EngineFiles], turns: Turns) -> Timed:
        """Time networks there; one whose outputs are others than here is declined, as its accuracy here would be, too.

        Raises:
            EngineError: The device is not reached, or the baseline does not run there.
        """
        found = self._bundled(networks, turns)
        declined = dict(found.declined)
        for one in found.networks:
            name, limit = one["name"], limits_for(one["precision"]).max_rel
            if name not in declined and found.differences[name]["max_rel"] > limit:
                seen = f"{found.differences[name]['max_rel']:.1e} of the largest value"
                declined[name] = f"gives other outputs there than here: they differ by {seen}"
        if turns.baseline in declined:
            raise EngineError(f"{turns.baseline} {declined[turns.baseline]}", where=self.url)
        return Timed(timing=found.timing, declined=declined)

    def _bundled(self, networks: Mapping[str, EngineFiles], turns: Turns, engines: Sequence[str] = ()) -> DeviceResults:
        with tempfile.TemporaryDirectory(prefix="lissome-") as folder:
            return self.run(bundle_of(networks, Path(folder, "bundle.pyz"), turns, engines))

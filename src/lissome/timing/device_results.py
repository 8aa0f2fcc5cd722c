"""What a bundle measured on a device, brought back."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lissome.artifacts.archive import update_measurements
from lissome.core.errors import BadDataError
from lissome.core.files import write_text
from lissome.runtimes.artifact import load
from lissome.timing.device_runner import FORMAT
from lissome.timing.measure import Timing

_NAMES = ("machine", "versions", "fingerprints", "threads", "declined", "differences", "measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceResults:
    """What a bundle measured on a device.

    Args:
        machine: The device.
        versions: Versions of its engines.
        fingerprints: For each engine, the hash of device, engine and version.
        threads: Threads of the engines.
        networks: name, engine, precision and options of each network.
        declined: Why networks do not run there, by name.
        differences: How far each network's outputs are from those where the bundle was made.
        timing: Time of one image, in turn.
        measured: When, in UTC.
    """

    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    fingerprints: Mapping[str, str]
    threads: int
    networks: tuple[Mapping[str, Any], ...]
    declined: Mapping[str, str]
    differences: Mapping[str, Mapping[str, float]]
    timing: Timing
    measured: str

    @classmethod
    def from_json(cls, text: str, *, where: str) -> "DeviceResults":
        """Read what a bundle wrote.

        Raises:
            BadDataError: It is none, or of another version.
        """
        try:
            table = json.loads(text)
            samples = {str(name): tuple(float(one) for one in row) for name, row in table["samples_ms"].items()}
            timing = Timing(
                samples_ms=samples,
                baseline=table["baseline"],
                stalled=int(table["stalled"]),
                seed=int(table["seed"]),
            )
            found = cls(timing=timing, networks=tuple(table["networks"]), **{name: table[name] for name in _NAMES})
            known, format_of = {str(one["name"]) for one in found.networks}, table["format"]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadDataError("is no result of a bundle", where=where, fix="run the bundle again") from error
        if format_of != FORMAT:
            raise BadDataError(f"is of format {format_of}", where=where, fix="make the bundle with this lissome")
        if known != set(samples) | set(found.declined) or not all(row and min(row) > 0 for row in samples.values()):
            raise BadDataError("has no times of its networks", where=where, fix="run the bundle again")
        return found

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "DeviceResults":
        """Read a file.

        Raises:
            BadDataError: It cannot be read, or is none.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise BadDataError(f"cannot be read: {error.strerror}", where=os.fspath(path)) from error
        return cls.from_json(text, where=os.fspath(path))

    def to_dict(self) -> dict[str, Any]:
        """Return the results as plain JSON values."""
        table: dict[str, Any] = {name: getattr(self, name) for name in _NAMES}
        return {"format": FORMAT, **table, "networks": list(self.networks), **self.timing.to_dict()}

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write them as a bundle does, so that `read` takes them."""
        table = {name: getattr(self, name) for name in _NAMES} | {"format": FORMAT, "networks": list(self.networks)}
        table |= {"baseline": self.timing.baseline, "stalled": self.timing.stalled, "seed": self.timing.seed}
        write_text(path, json.dumps(table | {"samples_ms": dict(self.timing.samples_ms)}) + "\n")

    def keep_in(self, path: str | os.PathLike[str], name: str) -> None:
        """Keep one network's figures in the card of its artifact, under its engine's fingerprint.

        Args:
            path: The `.lissome` file.
            name: Which network it is.

        Raises:
            BadDataError: There is no such network.
        """
        network = next((one for one in self.networks if one["name"] == name), None)
        if network is None:
            known = ", ".join(str(one["name"]) for one in self.networks)
            raise BadDataError(f"holds no network {name!r}", where="import-results", fix=f"it has {known}")
        devices = dict(load(path).card.measurements.get("devices", {}))
        engine = str(network["engine"])
        devices[self.fingerprints[engine]] = {
            "machine": dict(self.machine),
            "engine": engine,
            "version": self.versions[engine],
            "threads": self.threads,
            "latency": self.timing.latency(name).to_dict(),
            "difference": dict(self.differences[name]),
            "measured": self.measured,
        }
        update_measurements(path, {"devices": devices})

    def __str__(self) -> str:
        engines = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        lines = [f"{self.machine.get('cpu')}: {engines}, {self.threads} thread(s)", str(self.timing)]
        lines += [
            f"{name}: outputs differ by {one['max_rel']:.1e}, top-1 agreement {one['top1_agreement']:.1%}"
            for name, one in self.differences.items()
        ]
        lines += [f"{name} does not run there: {reason}" for name, reason in self.declined.items()]
        return "\n".join(lines)

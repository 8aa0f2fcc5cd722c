"""Where the figures come from: machine, versions, seed, time, method, and the commands that repeat them."""

from collections.abc import Mapping
from typing import Any

from lissome.reports.elements import Code, Content, Facts, Prose
from lissome.reports.figures import anything, at, count, number_at, seconds

ACCURACY = (
    "Accuracy is the share of test images that each engine itself answers right, computed from the very file it would "
    "run. The standard error is the binomial one, √(p(1−p)/n); for a difference the two variances are added as if the "
    "images were not the same, which errs on the wide side."
)
LATENCY = (
    "Latency is that of one image at a time, warm, with threads bound to processors where the system can. Original and "
    "compressed take turns in one process, in random order; the speed-up is the median of the ratios within each turn, "
    "with its 95 % bootstrap interval. It is called a gain only where the whole interval lies above 1."
)
COST = (
    "One MAC is one multiply-add of a convolution or fully connected layer. Bytes moved are what layers read and write "
    "in float32, as if nothing stayed in a cache."
)

ROOFLINE = (
    "The roofline gives each call the longer of two times: its FLOPs at the device's peak, and its bytes at the "
    "bandwidth of the memory. It is what the chip could do, not what an engine does; that has to be measured."
)


def provenance_content(comparison: Mapping[str, Any]) -> tuple[Content, ...]:
    """Return method, facts and commands; each only where the comparison has figures it is about."""
    sides = [comparison.get(side) or {} for side in ("original", "compressed")]
    paragraphs = [
        text
        for text, is_due in (
            (ACCURACY, any(at(side, "accuracy") for side in sides)),
            (LATENCY, bool(at(comparison, "speedup"))),
            (COST, any(number_at(side, "macs") is not None for side in sides)),
        )
        if is_due
    ]
    content: list[Content] = [Prose(tuple(paragraphs))] if paragraphs else []
    facts = _facts(comparison)
    if facts:
        content.append(Facts(facts))
    commands = at(comparison, "reproduce")
    if commands:
        content += [Prose(("To repeat it:",)), Code("\n".join(str(one) for one in commands))]
    return tuple(content)


def _facts(comparison: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    machine = {str(name): _words(value) for name, value in (at(comparison, "machine") or {}).items()}
    versions = {str(name): str(value) for name, value in (at(comparison, "versions") or {}).items()}
    stages = [f"{name} {seconds(number_at(at(comparison, 'stage_seconds'), name))}" for name in _stages(comparison)]
    total = number_at(comparison, "seconds")
    own = {
        "seed": "" if at(comparison, "seed") is None else str(at(comparison, "seed")),
        "test images": ""
        if number_at(comparison, "test_images") is None
        else count(number_at(comparison, "test_images")),
        "time taken": "" if total is None else seconds(total) + (f" ({', '.join(stages)})" if stages else ""),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    return tuple((name, text) for name, text in (*machine.items(), *own.items()) if text)


def _stages(comparison: Mapping[str, Any]) -> list[str]:
    return [str(name) for name in at(comparison, "stage_seconds") or {}]


def _words(value: Any) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list | tuple) else anything(value)

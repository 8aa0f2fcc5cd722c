"""A comparison in one sentence, made of measured figures and nothing else."""

from collections.abc import Mapping
from typing import Any

from lissome.reports.figures import at, count, decimal, factor, names_in, number_at
from lissome.reports.verdicts import SIDES, accuracy_change, accuracy_tone, both, ratio_of, speed_verdict


def headline(comparison: Mapping[str, Any]) -> str:
    """Return what was gained and what it cost.

    Example:
        >>> sides = {"original": {"accuracy": {"ncnn": 0.917}}, "compressed": {"accuracy": {"ncnn": 0.909}}}
        >>> headline({"name": "resnet20", **sides, "speedup": {"ncnn": {"ratio": 0.97, "low": 0.94, "high": 1.01}}})
        'resnet20 gains no speed (ncnn: 0.97× – not faster), and its accuracy falls by 0.80 points on ncnn.'
    """
    clauses = [one for one in (_speed(comparison), _size(comparison)) if one]
    accuracy = _accuracy(comparison)
    if not clauses and not accuracy:
        clauses = _counts(comparison)
    name = str(comparison.get("name") or "The network")
    if not clauses:
        return f"{name}: its {accuracy}." if accuracy else f"{name}: nothing was measured."
    return f"{name} {', '.join(clauses)}, and its {accuracy}." if accuracy else f"{name} {' and '.join(clauses)}."


def _speed(comparison: Mapping[str, Any]) -> str:
    entries = at(comparison, "speedup") or {}
    verdicts = {name: verdict for name, entry in entries.items() if (verdict := speed_verdict(entry))}
    ratios = {name: factor(number_at(entries, name, "ratio")) for name in verdicts}
    gains = [f"{ratios[name]} as fast on {name}" for name, verdict in verdicts.items() if verdict == "faster"]
    others = [f"{name}: {ratios[name]} – {verdict}" for name, verdict in verdicts.items() if verdict != "faster"]
    if not verdicts:
        return ""
    aside = f" ({'; '.join(others)})" if others else ""
    return f"runs {_and(gains)}{aside}" if gains else f"gains no speed{aside}"


def _size(comparison: Mapping[str, Any]) -> str:
    phrases: list[str] = []
    for engine in names_in(*(at(comparison, side, "engine_file_kib") for side in SIDES)):
        ratio = ratio_of(*both(comparison, "engine_file_kib", engine))
        if ratio is None:
            continue
        what = f"{factor(ratio)} less" if ratio > 1 else f"{factor(1 / ratio)} more" if ratio < 1 else "as much"
        phrases.append(f"{what}{'' if phrases else ' space'} on {engine}")
    if not phrases:
        ratio = ratio_of(*both(comparison, "file_kib"))
        if ratio is None:
            return ""
        phrases = [f"{factor(ratio)} less space" if ratio >= 1 else f"{factor(1 / ratio)} more space"]
    return f"takes {_and(phrases)}"


def _accuracy(comparison: Mapping[str, Any]) -> str:
    names = names_in(*(at(comparison, side, "accuracy") for side in SIDES))
    engines = [one for one in names if one != "torch"] or names
    verbs: dict[str, dict[str, list[str]]] = {}
    for engine in engines:
        change = accuracy_change(comparison, engine)
        if change is None:
            continue
        amount = f"by {decimal(abs(change), 2)} points " if accuracy_tone(change) else ""
        verb = "stays the same" if not amount else "falls" if change < 0 else "rises"
        verbs.setdefault(verb, {}).setdefault(amount, []).append(engine)
    if not verbs:
        return ""
    phrases = [
        f"{verb} {_and([f'{amount}on {_and(names)}' for amount, names in amounts.items()])}"
        for verb, amounts in verbs.items()
    ]
    images = number_at(comparison, "test_images")
    source = f" ({count(images)} test images)" if images else ""
    return f"accuracy {_and(phrases)}{source}"


def _counts(comparison: Mapping[str, Any]) -> list[str]:
    words = {"params": "parameters", "macs": "multiply-adds"}
    phrases = []
    for name, word in words.items():
        ratio = ratio_of(*both(comparison, name))
        if ratio is not None:
            phrases.append(f"{factor(ratio)} fewer {word}" if ratio >= 1 else f"{factor(1 / ratio)} more {word}")
    return [f"has {_and(phrases)}"] if phrases else []


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

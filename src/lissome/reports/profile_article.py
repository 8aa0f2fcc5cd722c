"""What a network costs, and what it takes on a device."""

from collections.abc import Mapping, Sequence
from typing import Any

from lissome.reports.call_table import call_content
from lissome.reports.charts import layer_bars
from lissome.reports.cost_charts import memory_chart, roofline_chart
from lissome.reports.elements import Article, Charts, Content, Facts, Prose, Section
from lissome.reports.figures import at, count, milliseconds, number_at, percent
from lissome.reports.layer_costs import layer_content, match_layers
from lissome.reports.provenance import COST, ROOFLINE

_MOST_TIMED = 60
_WAYS = {
    "separate": "Peak, every call with an activation of its own",
    "in_place": "Peak, element-wise operators in place",
    "folded": "Peak, normalisation and activations folded as well",
}


def profile_article(profile: Mapping[str, Any]) -> Article:
    """Return the article of a profile's dict."""
    shapes = " and ".join("×".join(str(size) for size in shape) for shape in at(profile, "inputs") or ())
    totals = (("params", "parameters"), ("macs", "multiply-adds (MACs)"), ("bytes_moved", "bytes moved"))
    figures = [f"{count(number_at(profile, key))} {word}" for key, word in totals]
    lead = f"{figures[0]}, {figures[1]}, {figures[2]}{f' for an input of {shapes}' if shapes else ''}."
    rows: list[Mapping[str, Any]] = list(at(profile, "rows") or ())
    labels = [one.label for one in match_layers(None, profile)]
    times: Sequence[Mapping[str, Any]] = at(profile, "prediction", "rows") or ()
    timed = [{**time, **row} for row, time in zip(rows, times, strict=True)] if len(times) == len(rows) else rows
    return Article(
        title=str(at(profile, "name") or "Network"),
        lead=lead,
        warnings=_warnings(profile),
        sections=(
            Section("Cost of each layer", (*layer_content(None, profile), Prose((COST,)))),
            Section("On the device", device_content(at(profile, "prediction"), labels)),
            Section("Memory", _memory_content(at(profile, "peak_memory"))),
            Section("Modules and calls", call_content(labels, timed)),
        ),
    )


def _warnings(profile: Mapping[str, Any]) -> tuple[str, ...]:
    unknown = at(profile, "unknown") or ()
    text = f"Not counted, as nobody knows their formula: {', '.join(map(str, unknown))}."
    return (text,) if unknown else ()


def device_content(prediction: Any, labels: Sequence[str]) -> tuple[Content, ...]:
    """Return the roofline of a network and its slowest calls; nothing where there is no prediction.

    Args:
        prediction: A prediction's dict, or None.
        labels: A name for each of its rows.
    """
    if not prediction or len(at(prediction, "rows") or ()) != len(labels):
        return ()
    timed = [(label, row) for label, row in zip(labels, prediction["rows"], strict=True) if number_at(row, "ms")]
    places = sorted(range(len(timed)), key=lambda place: -timed[place][1]["ms"])[:_MOST_TIMED]
    slow = [timed[place] for place in sorted(places)]
    series = {
        title: [number_at(row, key) for _, row in slow]
        for title, key in (("memory", "memory_ms"), ("arithmetic", "compute_ms"))
    }
    title = f"Milliseconds of the {len(slow)} slowest calls, the longer of both counts"
    return (
        Facts(_device_facts(prediction)),
        Charts((roofline_chart(prediction, labels),)),
        Charts((layer_bars(title, [label for label, _ in slow], series),)),
        Prose((ROOFLINE,)),
    )


def _device_facts(prediction: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    total = number_at(prediction, "total_ms")
    precision = str(at(prediction, "precision"))
    peak = number_at(prediction, "device", "peak_flops_per_s", precision)
    bandwidth = number_at(prediction, "device", "bytes_per_s")
    sources = at(prediction, "device", "sources") or {}
    shares = [
        percent((number_at(prediction, f"{bound}_bound_ms") or 0) / total if total else None, 0)
        for bound in ("compute", "memory")
    ]
    caches = zip(
        at(prediction, "device", "cache_bytes") or (),
        at(prediction, "device", "cache_bytes_per_s") or (),
        strict=False,
    )
    rates = ", ".join(f"{rate / 1e9:,.0f} GB/s up to {size / 1024:,.0f} KiB" for size, rate in caches)
    facts = (
        ("Device", str(at(prediction, "device", "title"))),
        ("By the roofline", f"{milliseconds(total)} ms, {shares[0]} bound by compute, {shares[1]} by memory"),
        ("With normalisation and activations fused", f"{milliseconds(number_at(prediction, 'fused_ms'))} ms"),
        (f"Peak, {precision}", f"{(peak or 0) / 1e9:,.1f} GFLOP/s ({sources.get(precision, '')})"),
        ("Memory", f"{(bandwidth or 0) / 1e9:,.1f} GB/s ({sources.get('bytes_per_s', '')})"),
    )
    return (*facts, ("Caches", rates)) if rates else facts


def _memory_content(peaks: Any) -> tuple[Content, ...]:
    if not at(peaks, "separate", "timeline"):
        return ()
    facts = [
        (title, f"{count((number_at(peaks, way, 'peak_bytes') or 0) / 1024)} KiB, at {at(peaks, way, 'layer')}")
        for way, title in _WAYS.items()
    ]
    return (Charts((memory_chart(peaks),)), Facts(tuple(facts)))

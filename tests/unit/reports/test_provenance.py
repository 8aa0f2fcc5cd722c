from lissome.reports.elements import Code, Facts, Prose
from lissome.reports.provenance import ACCURACY, COST, LATENCY, provenance_content


def test_method_facts_and_commands_are_there(comparison):
    method, facts, _, commands = provenance_content(comparison)
    assert method == Prose((ACCURACY, LATENCY, COST))
    assert commands == Code("lissome demo --out demo/")
    assert isinstance(facts, Facts)
    named = dict(facts.facts)
    assert named["features"] == "AVX2"
    assert named["seed"] == "0"
    assert named["time taken"] == "2 min 51 s (compress 2 min 0 s, export 20.0 s, accuracy 6.0 s, latency 25.2 s)"
    assert named["versions"] == "lissome 0.1.0, torch 2.13.0, onnxruntime 1.23.0, ncnn 1.0.2"


def test_what_was_not_measured_is_not_explained():
    assert provenance_content({"original": {"macs": 5}}) == (Prose((COST,)),)
    assert provenance_content({}) == ()

from lissome.tuning.candidate import Candidate
from lissome.tuning.trials.survey import Survey

FLOAT = Candidate(engine="onnxruntime", precision="float32")
INTEGER = Candidate(engine="ncnn", precision="int8", options={"winograd": False})


def survey_of(milliseconds):
    return Survey(
        float_ways=(FLOAT,),
        integer_ways=(INTEGER,),
        baseline=FLOAT,
        baseline_ms=2.0,
        accuracy=0.9,
        full_accuracy=0.9,
        milliseconds=milliseconds,
        declined=(),
        machine={},
        fingerprints={},
    )


def test_the_quickest_way_is_what_cuts_are_worth_time_on():
    assert survey_of({"onnxruntime float32": 2.0, "ncnn int8, quantized, winograd False": 1.0}).quickest() == INTEGER
    assert survey_of({"onnxruntime float32": 2.0, "ncnn int8, quantized, winograd False": 3.0}).quickest() == FLOAT

import numpy as np
import pytest

from lissome.core.errors import ConversionError
from lissome.exporting.ncnn_files import read_ncnn, write_ncnn

PARAM = """7767517
5 5
Input                    in0                      0 1 in0
Convolution              conv                     1 1 in0 1 0=2 1=1 5=1 6=6 9=2 -23310=1,0.1
PReLU                    prelu                    1 1 1 2 0=2
InnerProduct             fc                       1 1 2 3 0=3 2=6
MemoryData               constant                 0 1 4 0=2 1=2
"""
COUNTS = ((6, True), (2, False), (2, False), (6, True), (4, False))


def bin_of(counts):
    values = (np.arange(count, dtype="<f4").tobytes() for count, _ in counts)
    return b"".join(bytes(4 * tagged) + one for one, (_, tagged) in zip(values, counts, strict=True))


def test_files_come_back_to_the_byte(tmp_path):
    paths = tmp_path / "a.param", tmp_path / "a.bin"
    paths[0].write_text(PARAM)
    paths[1].write_bytes(bin_of(COUNTS))
    layers = read_ncnn(*paths)
    assert [len(one.arrays) for one in layers] == [0, 2, 1, 1, 1]
    assert layers[1].settings["-23310"] == "1,0.1"
    write_ncnn(layers, tmp_path / "b.param", tmp_path / "b.bin")
    assert (tmp_path / "b.param").read_text() == PARAM
    assert (tmp_path / "b.bin").read_bytes() == paths[1].read_bytes()


def test_weights_that_nobody_knows_are_refused(tmp_path):
    paths = tmp_path / "a.param", tmp_path / "a.bin"
    paths[0].write_text(PARAM.replace("MemoryData", "LSTM      "))
    paths[1].write_bytes(bin_of(COUNTS))
    with pytest.raises(ConversionError, match="88 bytes of weights, 72 of them known; one of Input, LSTM holds more"):
        read_ncnn(*paths)


def test_weights_of_another_type_are_refused(tmp_path):
    paths = tmp_path / "a.param", tmp_path / "a.bin"
    paths[0].write_text(PARAM)
    paths[1].write_bytes(b"\x47\x6b\x30\x01" + bin_of(COUNTS)[4:])
    with pytest.raises(ConversionError, match="conv: has weights that are not float32"):
        read_ncnn(*paths)

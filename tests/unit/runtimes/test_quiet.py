import ctypes
import os

import pytest

from lissome.runtimes.quiet import quiet


def test_python_and_c_are_kept_quiet_and_heard_afterwards(capfd):
    with quiet():
        os.write(1, b"not seen")
        os.write(2, b"not seen either")
        ctypes.CDLL(None).puts(b"nor this")
    os.write(1, b"seen")
    out, err = capfd.readouterr()
    assert (out, err) == ("seen", "")


def test_it_may_be_entered_twice_and_left_by_an_error(capfd):
    with pytest.raises(ValueError, match="mine"), quiet(), quiet():
        raise ValueError("mine")
    os.write(1, b"seen")
    assert capfd.readouterr().out == "seen"

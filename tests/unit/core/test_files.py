import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lissome.core.files import replacing, sha256_of, write_text


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "folder" / "a.txt"
    write_text(path, "old")
    write_text(path, "new ë")
    assert path.read_text(encoding="utf-8") == "new ë"
    assert list(path.parent.iterdir()) == [path]


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="midway"), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("midway")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    program = """
import sys, time
from lissome.core.files import replacing
with replacing(sys.argv[1]) as temporary, temporary.open("w") as file:
    file.write("half" * 100_000)
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline().strip() == b"writing"
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_umask_decides_who_may_read(tmp_path, mask):
    # safetensors puts a file of its own in place, which only the owner may read.
    before = os.umask(mask)
    try:
        with replacing(tmp_path / "a.safetensors") as temporary:
            save_file({"a": torch.zeros(1)}, temporary)
    finally:
        os.umask(before)
    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == 0o666 & ~mask


def test_writers_that_go_by_the_suffix_write_the_temporary_file(tmp_path):
    with replacing(tmp_path / "a.npz") as temporary:
        np.savez(temporary, numbers=np.arange(3))
    with np.load(tmp_path / "a.npz") as stored:
        assert stored["numbers"].tolist() == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 1


def test_sha256(tmp_path):
    write_text(tmp_path / "a", "abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

"""What the system says of the processor, also where it says nothing."""

from lissome.core.machine import describe_machine
from lissome.devices.host import host_caches, host_lanes


def write(folder, index, kind, level, size):
    place = folder / f"index{index}"
    place.mkdir()
    for name, text in (("type", kind), ("level", level), ("size", size)):
        (place / name).write_text(f"{text}\n")


def test_data_caches_from_the_innermost(tmp_path):
    write(tmp_path, 0, "Data", 1, "48K")
    write(tmp_path, 1, "Instruction", 1, "32K")
    write(tmp_path, 2, "Unified", 2, "1024K")
    write(tmp_path, 3, "Unified", 3, "32M")
    assert host_caches(tmp_path) == (48 << 10, 1 << 20, 32 << 20)


def test_a_system_that_says_nothing(tmp_path):
    assert host_caches(tmp_path / "absent") == ()


def test_lanes_follow_the_features():
    assert host_lanes() in (1, 4, 8, 16)
    assert (host_lanes() == 16) == ("AVX-512" in describe_machine()["features"])

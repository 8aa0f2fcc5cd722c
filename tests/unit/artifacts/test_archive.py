import hashlib
import io
import json
import stat
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissome.artifacts import archive as archive_file
from lissome.artifacts.archive import read_archive, update_measurements, write_archive
from lissome.artifacts.card import Card, EngineEntry, FileEntry
from lissome.core.errors import BadArtifactError, SettingError

CONTENTS = {"ncnn/model.param": b"7767517\n1 1\n", "graph.onnx": np.random.default_rng(0).bytes(1024)}
CARD = Card(
    name="tiny",
    params=1,
    macs=2,
    input_shapes=((3, 8, 8),),
    output_shapes=((4,),),
    engines={"onnxruntime": EngineEntry(files=("graph.onnx",), precision="float32", version="1", parity={})},
    samples="noise",
)


@pytest.fixture
def path(tmp_path):
    write_archive(tmp_path / "a.lissome", CARD, CONTENTS)
    return tmp_path / "a.lissome"


def refusal(path):
    with pytest.raises(BadArtifactError) as caught:
        read_archive(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_written_comes_back(path):
    card, contents = read_archive(path)
    assert contents == CONTENTS
    digest = hashlib.sha256(CONTENTS["graph.onnx"]).hexdigest()
    assert card.files["graph.onnx"] == FileEntry(sha256=digest, size_bytes=1024)
    assert replace(card, files={}) == CARD


def test_equal_contents_are_equal_bytes(path, tmp_path):
    other = tmp_path / "b.lissome"
    write_archive(other, CARD, dict(reversed(CONTENTS.items())))
    assert other.read_bytes() == path.read_bytes()


def test_any_zip_tool_reads_it(path):
    with zipfile.ZipFile(path) as file:
        assert file.namelist() == ["card.json", "graph.onnx", "ncnn/model.param"]
        assert file.testzip() is None
        assert {one.date_time for one in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_measurements_are_added_and_replaced(path):
    update_measurements(path, {"latency_ms": 1.5, "note": "x"})
    update_measurements(path, {"latency_ms": 0.5})
    card, contents = read_archive(path)
    assert card.measurements == {"latency_ms": 0.5, "note": "x"}
    assert contents == CONTENTS


def test_a_measurement_that_cannot_be_written_leaves_the_file(path):
    before = path.read_bytes()
    with pytest.raises(SettingError, match="JSON"):
        update_measurements(path, {"x": float("nan")})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kept", [0, 1, 20, 200, -1, -30])
def test_a_truncated_file_is_refused(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    assert "is corrupt, truncated or no artifact" in refusal(path)


def test_a_missing_file_a_folder_and_other_files_are_refused(path, tmp_path):
    assert "no such file" in refusal(tmp_path / "absent.lissome")
    assert "no such file" in refusal(tmp_path)
    path.write_bytes(b"\x80\x04pickle")
    assert "no artifact" in refusal(path)


def forge(path, members, card=CARD, compression=zipfile.ZIP_STORED):
    """Write a zip as an attacker would: any names, with a card whose hashes agree."""
    files = {
        name: FileEntry(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data)) for name, data, *_ in members
    }
    with zipfile.ZipFile(path, "w", compression) as file:
        if card is not None:
            file.writestr("card.json", replace(card, files=files).to_json(), zipfile.ZIP_STORED)
        for name, data, *mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = (mode[0] if mode else stat.S_IFREG | 0o644) << 16
            info.compress_type = compression
            file.writestr(info, data)


GRAPH = ("graph.onnx", b"x")


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "a\\..\\evil", "a//b", "./a", "a/.", "", "a\nb", "ü", "a/"],
)
def test_a_name_that_could_leave_the_archive_is_refused(path, name):
    forge(path, [GRAPH, (name, b"evil")])
    assert "could leave the archive" in refusal(path)


def test_a_link_is_refused(path):
    forge(path, [GRAPH, ("link", b"/etc/passwd", stat.S_IFLNK | 0o777)])
    assert "has a link, link" in refusal(path)


def test_a_zip_bomb_is_refused_without_unpacking(path):
    forge(path, [("graph.onnx", bytes(50_000_000))], compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    assert "has a compressed file, graph.onnx" in refusal(path)


def test_a_declared_size_beyond_the_file_is_refused(path):
    forge(path, [("graph.onnx", b"x" * 100)])
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02")  # the last entry of the directory; sizes lie 20 bytes in
    data[place + 20 : place + 28] = struct.pack("<II", 3_000_000_000, 3_000_000_000)
    path.write_bytes(data)
    assert "says it holds more than its own length" in refusal(path)


def test_too_many_files_are_refused(path):
    forge(path, [(f"f{place}", b"") for place in range(archive_file.MOST_FILES)])
    assert "has 257 files, more than 256" in refusal(path)


def test_a_file_beyond_the_limit_is_not_read(path, monkeypatch):
    monkeypatch.setattr(archive_file, "MOST_BYTES", 100)
    assert "is larger than" in refusal(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(path):
    forge(path, [GRAPH, ("graph.onnx", b"y")])
    assert "two files of one name" in refusal(path)


def test_a_card_that_disagrees_with_the_files_is_refused(path):
    forge(path, [GRAPH])
    with zipfile.ZipFile(path) as file:
        text = json.loads(file.read("card.json"))

    def with_card(change):
        table = json.loads(json.dumps(text))
        change(table)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("card.json", json.dumps(table))
            file.writestr("graph.onnx", b"x")
        return refusal(path)

    assert "does not have the size and hash" in with_card(lambda one: one["files"]["graph.onnx"].update(sha256="0"))
    assert "does not have the size and hash" in with_card(lambda one: one["files"]["graph.onnx"].update(size_bytes=2))
    assert "'graph.onnx' is in the card or in the archive, not in both" in with_card(lambda one: one["files"].clear())
    assert "onnxruntime needs 'lost'" in with_card(lambda one: one["engines"]["onnxruntime"].update(files=["lost"]))
    assert "card has format 7" in with_card(lambda one: one.update(format=7))


def test_a_zip_without_card_is_refused(path):
    forge(path, [GRAPH], card=None)
    assert "has no card.json" in refusal(path)


def test_an_encrypted_file_is_refused(path):
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(data)
    assert "is corrupt, truncated or no artifact" in refusal(path)


@given(place=st.integers(min_value=0), flip=st.integers(1, 255))
def test_a_changed_byte_is_seen_or_changes_nothing(tmp_path_factory, place, flip):
    path = tmp_path_factory.getbasetemp() / "flipped.lissome"
    write_archive(path, CARD, CONTENTS)
    expected = read_archive(path)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= flip
    path.write_bytes(data)
    try:
        assert read_archive(path) == expected
    except BadArtifactError as error:
        assert "\n" not in str(error)


def test_every_byte_of_the_directory_may_change(path):
    """The directory at the end is where readers trust most, so all of it is tried, not a sample."""
    whole, expected = path.read_bytes(), read_archive(path)
    seen = 0
    for place in range(whole.index(b"PK\x01\x02"), len(whole)):
        for flip in (1, 0x80, 0xFF):
            data = bytearray(whole)
            data[place] ^= flip
            path.write_bytes(data)
            try:
                assert read_archive(path) == expected
            except BadArtifactError:
                seen += 1
    assert seen > 100


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "noise.lissome"
    path.write_bytes(data)
    refusal(path)


def test_a_zip_of_nothing_is_refused(path):
    with zipfile.ZipFile(io.BytesIO(), "w") as file:
        buffer = file.fp
    path.write_bytes(buffer.getvalue())
    assert "has no card.json" in refusal(path)


SPARSE = {**CONTENTS, "graph.onnx": b"head" + (bytes(60) + b"\x01\x02\x03\x04") * 500}


def test_files_of_many_zeros_are_packed_and_come_back_to_the_byte(tmp_path):
    path = tmp_path / "a.lissome"
    written = write_archive(path, CARD, SPARSE)
    card, contents = read_archive(path)
    assert contents == SPARSE
    assert card == written
    entry = card.files["graph.onnx"]
    assert entry.size_bytes == len(SPARSE["graph.onnx"])
    assert entry.sha256 == hashlib.sha256(SPARSE["graph.onnx"]).hexdigest()
    assert entry.stored_bytes == entry.packed_bytes < entry.size_bytes / 8
    assert card.files["ncnn/model.param"].packed_bytes is None
    assert path.stat().st_size < len(SPARSE["graph.onnx"]) / 4
    update_measurements(path, {"latency_ms": 1.0})
    assert read_archive(path)[1] == SPARSE


def _with_entry(path, **changes):
    """Write the archive again with another account of its packed file."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    card = json.loads(members["card.json"])
    card["files"]["graph.onnx"].update(changes)
    members["card.json"] = json.dumps(card).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size_bytes": 5 << 30}, "restores to more than 4 GiB"),
        ({"size_bytes": 1 << 30}, "would restore to more than 1024 times its length"),
        ({"size_bytes": 33_000}, "restores to 32004 bytes instead of 33000"),
        ({"size_bytes": 3000}, "a head is wrong"),
        ({"packed_bytes": None}, "does not have the size and hash"),
        ({"packed_bytes": 7}, "does not have the size and hash"),
        ({"sha256": "0" * 64}, "does not have the size and hash"),
    ],
)
def test_a_card_that_lies_about_a_packed_file_is_refused(tmp_path, changes, reason):
    write_archive(tmp_path / "a.lissome", CARD, SPARSE)
    _with_entry(tmp_path / "a.lissome", **changes)
    assert reason in refusal(tmp_path / "a.lissome")


def test_archives_of_the_first_format_are_still_read(path):
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    card = json.loads(members["card.json"]) | {"format": 1}
    for entry in card["files"].values():
        del entry["packed_bytes"]
    members["card.json"] = json.dumps(card).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    assert read_archive(path)[1] == CONTENTS


def test_a_corrupted_byte_anywhere_is_refused(tmp_path):
    path = tmp_path / "a.lissome"
    values = np.random.default_rng(0).integers(0, 9, 2000).astype(np.float32)
    graph = b"a graph of names, of names, of names " * 20
    write_archive(path, CARD, {"graph.onnx": values.tobytes(), "text": graph, "raw": bytes(range(100))})
    whole = path.read_bytes()
    assert {entry.packed_bytes is None for entry in read_archive(path)[0].files.values()} == {True, False}
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(BadArtifactError):
            read_archive(path)

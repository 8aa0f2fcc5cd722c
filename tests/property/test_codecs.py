"""Whatever the bytes, they come back; whatever is damaged, is noticed or leaves a wrong hash."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissome.artifacts.codecs import CODECS
from lissome.artifacts.packing import pack, unpack
from lissome.core.errors import BadArtifactError

WIDTHS = (1, 2, 4)


@st.composite
def sparse_words(draw):
    width = draw(st.sampled_from(WIDTHS))
    count = draw(st.integers(0, 2000))
    share = draw(st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    words = generator.integers(1, 256**width, count, dtype=np.uint64).astype(f"<u{width}")
    words[generator.random(count) >= share] = 0
    if draw(st.booleans()):
        words %= draw(st.integers(1, 200))
    return words


@pytest.mark.parametrize("number", CODECS)
@given(words=sparse_words())
def test_words_come_back(number, words):
    codec = CODECS[number]
    packed = codec.encode(words)
    if packed is None:  # only where there are more values than a codebook holds, or than it saves a bit with
        assert len(np.unique(words)) > (128 if words.itemsize == 1 else 256)
        return
    restored = codec.decode(packed, len(words), words.dtype)
    assert restored.dtype == words.dtype
    assert np.array_equal(restored, words)


@pytest.mark.parametrize("number", CODECS)
@given(words=sparse_words(), data=st.data())
def test_what_no_encoder_wrote_is_refused_or_decodes_to_as_many_words(number, words, data):
    codec, packed = CODECS[number], bytearray(CODECS[number].encode(words % 200) or b"")
    for _ in range(data.draw(st.integers(1, 3))):
        if packed:
            packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    packed = bytes(packed)[: data.draw(st.integers(0, len(packed)))] + data.draw(st.binary(max_size=5))
    try:
        restored = codec.decode(packed, len(words), words.dtype)
    except BadArtifactError as error:
        assert "damaged" in str(error)
    else:
        assert len(restored) == len(words)


@given(
    st.lists(st.one_of(st.binary(max_size=300), st.integers(0, 3000).map(bytes)), max_size=6).map(b"".join), st.data()
)
def test_files_come_back_however_they_are_parted(file, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(file) - 1)), max_size=4)) - {len(file)}) if file else []
    stretches = list(zip([0, *cuts], [*cuts, len(file)], strict=True)) if cuts else None
    packed = pack(file, stretches)
    if packed is not None:
        assert len(packed) <= 0.95 * len(file)
        assert unpack(packed, len(file)) == file


@given(st.data())
def test_damage_to_a_packed_file_never_goes_unnoticed(data):
    file = np.zeros(500, np.float32)
    file[::37] = np.arange(1, 15)
    whole = file.tobytes()
    packed = bytearray(pack(whole))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        restored = unpack(bytes(packed), len(whole))
    except BadArtifactError:
        return
    # The hash of the whole file, which the card holds, is what tells.
    assert len(restored) == len(whole)
    assert restored != whole

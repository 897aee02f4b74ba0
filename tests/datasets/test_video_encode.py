import io
import os
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from stkit_datasets.video.encode import decode_frames, decode_mp4, encode_mp4
from stkit_datasets.video.errors import VideoError
from stkit_datasets.video.pictures import rgb_to_planes


def smooth_frames(count=23, height=48, width=64):
    y, x = np.mgrid[:height, :width]
    return [
        np.stack([x * 3 + 2 * k, y * 4, np.full_like(x, 40 + 5 * k)], -1).clip(0, 255).astype("u1")
        for k in range(count)
    ]


@pytest.fixture(scope="module")
def mp4():
    return encode_mp4(smooth_frames(), Fraction(2))


def packets(mp4):
    with av.open(io.BytesIO(mp4)) as container:
        return [
            (packet.pts * packet.time_base, packet.dts * packet.time_base, packet.is_keyframe)
            for packet in container.demux(video=0)
            if packet.size
        ]


def test_every_frame_comes_back_and_looks_the_same(mp4):
    decoded = decode_mp4(mp4)
    expected = np.stack(smooth_frames())
    assert decoded.shape == expected.shape
    mean_square = ((decoded.astype(float) - expected) ** 2).mean((1, 2, 3))
    assert (10 * np.log10(255**2 / mean_square)).min() > 35


@pytest.mark.parametrize("fps", [Fraction(2), Fraction(1, 2), Fraction(30000, 1001)])
def test_frame_k_is_shown_at_exactly_k_over_fps(fps):
    times = packets(encode_mp4(smooth_frames(12), fps))
    assert [pts for pts, _, _ in times] == [k / fps for k in range(12)]
    assert all(pts == dts for pts, dts, _ in times)


def test_a_keyframe_comes_at_least_every_ten_frames(mp4):
    keys = [k for k, (_, _, is_key) in enumerate(packets(mp4)) if is_key]
    assert keys[0] == 0
    assert max(np.diff([*keys, 23])) <= 10


def test_the_stream_is_h264_420_tagged_with_its_colours_and_one_second_is_two_frames(mp4):
    with av.open(io.BytesIO(mp4)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_range, context.color_primaries) == (6, 1, 1)
        assert stream.average_rate == 2
        assert stream.duration * stream.time_base == Fraction(23, 2)


def test_the_index_comes_first_and_no_version_or_date_is_written(mp4):
    assert mp4.index(b"moov") < mp4.index(b"mdat")
    for mark in (b"x264", b"Lavc", b"Lavf"):
        assert mark not in mp4
    created = mp4.index(b"mvhd") + 8
    assert mp4[created : created + 8] == bytes(8)


def test_planes_and_rgb_give_the_same_bytes(mp4):
    planes = [rgb_to_planes(frame) for frame in smooth_frames()]
    assert encode_mp4(planes, Fraction(2)) == mp4


SCRIPT = """
import hashlib, sys
from fractions import Fraction
import numpy as np
from stkit_datasets.video.encode import encode_mp4
rng = np.random.default_rng(5)
frames = rng.integers(0, 256, (12, 96, 128, 3), np.uint8)
sys.stdout.write(hashlib.sha256(encode_mp4(frames, Fraction(2))).hexdigest())
"""


@pytest.mark.parametrize(
    "environment",
    [{"OMP_NUM_THREADS": "1", "TZ": "UTC"}, {"OMP_NUM_THREADS": "7", "TZ": "Asia/Tokyo"}],
)
def test_bytes_are_the_same_in_every_process(environment):
    import hashlib

    frames = np.random.default_rng(5).integers(0, 256, (12, 96, 128, 3), np.uint8)
    here = hashlib.sha256(encode_mp4(frames, Fraction(2))).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    assert there.stdout == here


@pytest.mark.parametrize(
    ("frames", "settings", "message"),
    [
        ([], {}, "at least one frame"),
        ([np.zeros((5, 4, 3), np.uint8)], {}, "even sizes, got 4x5"),
        ([np.zeros((4, 4), np.uint8)], {}, r"got \(4, 4\)"),
        ([np.zeros((48, 64, 3))], {}, "frame 0 is .* float64"),
        ([np.zeros((s, 64, 3), np.uint8) for s in (48, 50)], {}, r"frame 1 is \(50, 64, 3\)"),
        (smooth_frames(1), {"crf": 52}, "crf must be within 0...51, got 52"),
        (smooth_frames(1), {"preset": "no-such"}, "preset 'no-such'"),
    ],
)
def test_wrong_frames_and_settings_are_refused(frames, settings, message):
    with pytest.raises(ValueError, match=message):
        encode_mp4(frames, Fraction(2), **settings)


def test_fps_must_be_above_zero():
    with pytest.raises(ValueError, match="fps must be above 0"):
        encode_mp4(smooth_frames(1), Fraction(0))


@pytest.mark.parametrize("keep", [0, 20, 400, 0.5, -1])
def test_cut_bytes_are_an_error(mp4, keep):
    with pytest.raises(VideoError, match="MP4 bytes"):
        decode_mp4(mp4[: int(len(mp4) * keep) if isinstance(keep, float) else keep])


@pytest.mark.parametrize("threads", [None, 1])
@pytest.mark.parametrize("places", [[0], [22], [3, 4, 17], range(23)])
def test_the_frames_asked_for_come_back_and_all_are_counted(mp4, places, threads):
    frames, count = decode_frames(mp4, places, threads)
    assert count == 23
    assert np.array_equal(frames, decode_mp4(mp4)[list(places)])


@pytest.mark.parametrize("places", [[23], [0, 30]])
def test_no_frames_come_back_where_one_is_not_there(mp4, places):
    assert decode_frames(mp4, places) == (None, 23)


def test_bytes_that_do_not_decode_are_an_error_in_words_of_libav():
    with pytest.raises(VideoError, match="Invalid data found when processing input"):
        decode_frames(b"no video", [0])


@pytest.mark.parametrize("threads", [None, 1])
def test_a_codec_that_nobody_knows_is_an_error(mp4, threads):
    assert mp4.count(b"avc1") == 2
    with pytest.raises(VideoError, match="no video stream with a decoder"):
        decode_frames(mp4.replace(b"avc1", b"zzzz"), [0], threads)


@pytest.mark.parametrize("places", [[], [-1, 0], [3, 3], [4, 3]])
def test_places_that_are_no_places_are_an_error(mp4, places):
    with pytest.raises(ValueError, match="expected numbers from 0 that rise"):
        decode_frames(mp4, places)

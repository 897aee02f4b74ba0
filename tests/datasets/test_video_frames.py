from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from PIL import Image

from stkit_datasets.video.errors import VideoError
from stkit_datasets.video.frames import ArrayFrames, EncodedFrames, ImageFrames, VideoFrames

WIDTH, HEIGHT = 64, 36


def shade(level, height=HEIGHT, width=WIDTH):
    return np.full((height, width, 3), level, np.uint8)


def quadrants(height=HEIGHT, width=WIDTH):
    """Top left red, top right green, bottom left blue, bottom right white."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (255, 0, 0)
    image[: height // 2, width // 2 :] = (0, 255, 0)
    image[height // 2 :, : width // 2] = (0, 0, 255)
    image[height // 2 :, width // 2 :] = 255
    return image


def corners(image):
    """The middle of each quadrant, each channel rounded to dark (0) or bright (1)."""
    height, width = image.shape[:2]
    rows, columns = [height // 4, height * 3 // 4], [width // 4, width * 3 // 4]
    return (image[np.ix_(rows, columns)] > 127).astype(int).reshape(4, 3).tolist()


UPRIGHT = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]


def write_video(path, images, times_s, *, rotation=0, options=None, colorspace=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.options = {"crf": "4", **(options or {})}
        if colorspace:
            stream.codec_context.colorspace = colorspace
        if rotation:
            stream.set_display_rotation(rotation)
        for image, time_s in zip(images, times_s, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=colorspace, dst_color_range=1
            )
            frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def levels(frames):
    return [round(float(image.mean()) / 10) for image in frames.read()]


@pytest.fixture
def pictures(tmp_path):
    for index in range(3):
        Image.fromarray(shade(40 * index)).save(tmp_path / f"{index}.jpg", quality=95)
    Image.fromarray(quadrants()).save(tmp_path / "quadrants.png")
    return tmp_path


# Images


def test_images_are_read_in_the_order_of_their_names(pictures):
    frames = ImageFrames(pictures, ["2.jpg", "0.jpg", "1.jpg"])
    assert levels(frames) == [8, 0, 4]
    assert levels(frames) == [8, 0, 4]
    assert (len(frames), frames.names, frames.size_px) == (3, ("2.jpg", "0.jpg", "1.jpg"), (64, 36))


def test_pictures_of_a_table_are_read_anew_each_time(pictures):
    class Table:
        def __iter__(self):
            return ((pictures / f"{index}.jpg").read_bytes() for index in (2, 0))

    frames = EncodedFrames(["table#2", "table#0"], Table())
    assert (frames.size_px, frames.names) == ((64, 36), ("table#2", "table#0"))
    assert levels(frames) == levels(frames) == [8, 0]


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "not a picture"), (b"\xff\xd8\xff\xda", "cut short")]
)
def test_a_broken_picture_of_a_table_is_named(data, message):
    with pytest.raises(VideoError, match=f"table#7: .*{message}"):
        list(EncodedFrames(["table#7"], [data]).read())


def test_a_png_comes_back_bit_for_bit(pictures):
    (image,) = ImageFrames(pictures, ["quadrants.png"]).read()
    np.testing.assert_array_equal(image, quadrants())


@pytest.mark.parametrize(
    ("size", "height_px", "expected"),
    [
        ((64, 36), None, (64, 36)),
        ((64, 36), 480, (64, 36)),
        ((64, 36), 18, (32, 18)),
        ((64, 36), 19, (32, 18)),
        ((63, 35), None, (62, 34)),
        ((1242, 375), 200, (662, 200)),
        ((1600, 900), 480, (854, 480)),
    ],
)
def test_sizes_are_even_and_never_larger(tmp_path, size, height_px, expected):
    Image.new("RGB", size, "gray").save(tmp_path / "a.png")
    frames = ImageFrames(tmp_path, ["a.png"])
    (image,) = frames.read(height_px)
    (planes,) = frames.read_planes(height_px)
    assert image.shape == (expected[1], expected[0], 3)
    assert planes.shape == (expected[1] * 3 // 2, expected[0])


def test_scaling_averages_and_does_not_alias(tmp_path):
    stripes = shade(0, 64, 64)
    stripes[::2] = 200
    Image.fromarray(stripes).save(tmp_path / "a.png")
    (image,) = ImageFrames(tmp_path, ["a.png"]).read(16)
    assert abs(image.astype(int) - 100).max() <= 2


def test_an_exif_orientation_is_not_applied(pictures):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(quadrants()).save(pictures / "turned.jpg", quality=95, exif=exif)
    frames = ImageFrames(pictures, ["turned.jpg"])
    assert frames.size_px == (64, 36)
    assert corners(next(frames.read())) == UPRIGHT


def test_a_grey_jpeg_is_read(tmp_path):
    Image.new("L", (64, 36), 120).save(tmp_path / "a.jpg")
    assert levels(ImageFrames(tmp_path, ["a.jpg"])) == [12]


def whole(pictures, name):
    return (pictures / name).read_bytes()


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (lambda p: b"", "expected a JPEG or PNG"),
        (lambda p: b"<html>", "expected a JPEG or PNG"),
        (lambda p: whole(p, "photo.jpg")[:-2], "cut short"),
        (lambda p: whole(p, "photo.jpg")[:-40], "cut short"),
        (lambda p: whole(p, "photo.jpg")[: len(whole(p, "photo.jpg")) // 2], "cut short"),
        (lambda p: whole(p, "photo.jpg")[:1500] + b"\xff\xd9", "does not decode"),
        (lambda p: whole(p, "photo.png")[: len(whole(p, "photo.png")) // 2], "cut short"),
        (lambda p: whole(p, "photo.png")[:200] + whole(p, "photo.png")[-12:], "does not decode"),
    ],
)
def test_a_broken_picture_is_an_error_that_names_it(pictures, content, rule):
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(noise).save(pictures / "photo.jpg")
    Image.fromarray(noise).save(pictures / "photo.png")
    (pictures / "broken.jpg").write_bytes(content(pictures))
    frames = ImageFrames(pictures, ["0.jpg", "broken.jpg"])
    with pytest.raises(VideoError, match=rf"broken\.jpg.*{rule}"):
        list(frames.read())


def test_a_missing_picture_is_named(pictures):
    with pytest.raises(VideoError, match=r"absent\.jpg.*No such file"):
        list(ImageFrames(pictures, ["0.jpg", "absent.jpg"]).read())


@pytest.mark.parametrize("names", [["small.png"], ["0.jpg", "small.png"]])
def test_a_picture_of_another_size_is_named_with_both_sizes(pictures, names):
    Image.fromarray(shade(1, 20, 30)).save(pictures / "small.png")
    with pytest.raises(VideoError, match=r"small\.png.*30x20, expected 64x36"):
        list(ImageFrames(pictures, names, size_px=(64, 36)).read())


@pytest.mark.parametrize(
    ("names", "rule"), [([], "at least one"), (["a", ""], "frame 1 has an em")]
)
def test_names_are_never_empty(tmp_path, names, rule):
    with pytest.raises(ValueError, match=rule):
        ImageFrames(tmp_path, names)


@pytest.mark.parametrize("height_px", [0, -4, 1])
def test_a_height_below_two_is_refused(pictures, height_px):
    with pytest.raises(ValueError, match="at least 2"):
        list(ImageFrames(pictures, ["0.jpg"]).read(height_px))


def test_a_real_camera_picture_is_read_as_pillow_reads_it(shared_data):
    folder = shared_data("nuscenes/samples/CAM_FRONT")
    path = next(folder.glob("*.jpg"))
    frames = ImageFrames(folder, [path.name], size_px=(1600, 900))
    (ours,) = frames.read(450)
    theirs = Image.open(path).resize((800, 450), Image.Resampling.BOX)
    assert np.abs(ours.astype(float) - np.asarray(theirs)).mean() < 1.5


# Videos


def test_the_frame_on_screen_at_each_time_is_read(tmp_path):
    path = write_video(tmp_path / "a.mp4", [shade(10 * k) for k in range(20)], np.arange(20) / 10)
    frames = VideoFrames(path, [0, 0.5, 0.5, 0.54, 0.56, 1.9])
    assert levels(frames) == [0, 5, 5, 5, 6, 19]
    assert frames.names[1] == "a.mp4#t=0.500"
    assert frames.size_px == (64, 36)


def test_names_are_relative_to_the_data_root(tmp_path):
    assert VideoFrames(tmp_path / "b" / "a.mp4", [3.5], root=tmp_path).names == ("b/a.mp4#t=3.500",)


def test_a_variable_frame_rate_is_read_by_its_timestamps(tmp_path):
    shown_at = [0.0, 0.1, 0.2, 1.7, 1.75, 3.0]
    path = write_video(tmp_path / "a.mp4", [shade(30 * k) for k in range(6)], shown_at)
    assert levels(VideoFrames(path, [0, 0.5, 1.0, 1.5, 1.72, 2.0, 2.5, 3.0])) == [
        0, 6, 6, 6, 9, 12, 12, 15,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rotation", "size_px", "expected"),
    [
        (-90, (36, 64), [[0, 0, 1], [1, 0, 0], [1, 1, 1], [0, 1, 0]]),
        (90, (36, 64), [[0, 1, 0], [1, 1, 1], [1, 0, 0], [0, 0, 1]]),
        (180, (64, 36), [[1, 1, 1], [0, 0, 1], [0, 1, 0], [1, 0, 0]]),
    ],
)
def test_a_phones_rotation_is_applied(tmp_path, rotation, size_px, expected):
    path = write_video(tmp_path / "a.mp4", [quadrants()] * 3, [0, 0.5, 1], rotation=rotation)
    frames = VideoFrames(path, [0, 1])
    assert frames.size_px == size_px
    image = list(frames.read())[1]
    assert image.shape[1::-1] == size_px
    assert corners(image) == expected
    (_, planes) = frames.read_planes(32)
    width, height = size_px[0] * min(32, size_px[1]) // size_px[1], min(32, size_px[1])
    assert planes.shape == (height * 3 // 2, width)
    rgb = av.VideoFrame.from_ndarray(planes, format="yuv420p").to_ndarray(format="rgb24")
    assert corners(rgb) == expected


def test_the_colour_matrix_of_a_video_is_respected(tmp_path):
    """Pure red is (63, 102, 240) by BT.709 and (81, 90, 240) by BT.601, Y U V."""
    red = np.zeros((36, 64, 3), np.uint8)
    red[..., 0] = 255
    path = write_video(tmp_path / "a.mp4", [red], [0], colorspace=1)
    frames = VideoFrames(path, [0])
    np.testing.assert_allclose(next(frames.read())[18, 32], [255, 0, 0], atol=4)
    planes = next(frames.read_planes()).ravel()
    np.testing.assert_allclose(planes[[0, 64 * 36, 64 * 45]], [81, 90, 240], atol=2)


def test_a_late_clip_is_reached_by_a_seek_and_equals_a_read_from_the_front(tmp_path):
    times = np.arange(300) / 10
    images = [shade(k % 25 * 10) for k in range(300)]
    path = write_video(tmp_path / "a.mp4", images, times, options={"g": "40"})
    asked = [20.0, 20.5, 27.3]
    assert levels(VideoFrames(path, asked)) == [200 % 25, 205 % 25, 273 % 25]


def test_a_video_that_ends_early_says_when(tmp_path):
    path = write_video(tmp_path / "a.mp4", [shade(9)] * 32, np.arange(32) / 10)
    with pytest.raises(VideoError, match=r"a\.mp4: the video ends at 3\.\d+ s.*5\.000 s"):
        list(VideoFrames(path, [0, 1, 5]).read())


def test_a_file_cut_in_the_middle_is_an_error(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (20, HEIGHT, WIDTH, 3), np.uint8)
    path = write_video(tmp_path / "a.mkv", list(noise), np.arange(20) / 10)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VideoError, match=r"a\.mkv"):
        list(VideoFrames(path, [0, 1.9]).read())


@pytest.mark.parametrize(
    ("content", "rule"),
    [(b"", "does not decode"), (b"no video" * 99, "does not decode"), (None, "no such video file")],
)
def test_what_is_no_video_is_named(tmp_path, content, rule):
    if content is not None:
        (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=rf"a\.mp4: .*{rule}"):
        list(VideoFrames(tmp_path / "a.mp4", [0]).read())


def test_a_rotation_by_half_a_right_angle_is_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", [quadrants()], [0], rotation=45)
    frames = VideoFrames(path, [0])
    with pytest.raises(VideoError, match=r"a\.mp4: rotated by 45 degrees"):
        next(frames.read())


def test_damage_anywhere_ends_in_frames_or_in_an_error_that_names_the_file(tmp_path):
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (6, HEIGHT, WIDTH, 3), np.uint8)
    whole = write_video(tmp_path / "a.mp4", list(noise), np.arange(6) / 10).read_bytes()
    outcomes = set()
    for index in range(60):
        damaged = bytearray(whole)
        at = int(rng.integers(len(whole)))
        damaged[at : at + 9] = rng.bytes(9)
        path = tmp_path / f"{index}.mp4"
        path.write_bytes(bytes(damaged))
        try:
            outcomes.add(str(len(list(VideoFrames(path, [0, 0.3]).read(20)))))
        except VideoError as error:
            outcomes.add("named" if path.name in str(error) else str(error))
    assert outcomes == {"2", "named"}


def test_a_picture_of_one_pixel_is_an_error_that_names_it(tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    with pytest.raises(VideoError, match=r"dot\.png.*at least 2x2"):
        next(ImageFrames(tmp_path, ["dot.png"]).read())


def test_sound_without_pictures_is_named(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match=r"a\.mp4: no video stream"):
        list(VideoFrames(tmp_path / "a.mp4", [0]).read())


@pytest.mark.parametrize("times", [[-1], [float("nan")], [float("inf")], [1, 0.5]])
def test_times_must_be_finite_and_in_order(tmp_path, times):
    with pytest.raises(ValueError, match="finite, at least 0 and in order"):
        VideoFrames(tmp_path / "a.mp4", times)


def test_a_real_clip_is_sampled_at_two_frames_a_second(shared_data):
    path = shared_data("vlm4d/videos_real/davis/camel.mp4")
    images = list(VideoFrames(path, np.arange(8) / 2).read(240))
    with av.open(str(path)) as container:
        decoded = [f.reformat(428, 240, "rgb24").to_ndarray() for f in container.decode(video=0)]
    every = np.stack([image[::4, ::4] for image in decoded]).astype(float)
    assert {image.shape for image in images} == {(240, 428, 3)}
    for index, image in enumerate(images):
        errors = ((every - image[::4, ::4]) ** 2).mean((1, 2, 3))
        assert np.argmin(errors) == 12 * index


# Arrays


def test_arrays_are_frames_too():
    frames = ArrayFrames([shade(10), shade(20)])
    assert levels(frames) == [1, 2]
    assert frames.size_px == (64, 36)
    assert len(set(frames.names)) == 2


def test_arrays_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match=r"b: expected a \(36, 64, 3\).*got \(20, 64, 3\)"):
        list(ArrayFrames([shade(1), shade(1, 20)], ["a", "b"]).read())


def test_the_forms_agree(pictures):
    frames = ImageFrames(pictures, ["quadrants.png", "1.jpg"])
    for image, planes in zip(frames.read(), frames.read_planes(), strict=True):
        again = av.VideoFrame.from_ndarray(planes, format="yuv420p").to_ndarray(format="rgb24")
        flat = np.abs(again.astype(int) - image)[4:14, 4:28]
        assert flat.max() <= 4
    assert all(a.shape == b.shape for a, b in pairwise(frames.read()))

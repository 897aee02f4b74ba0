from fractions import Fraction

import numpy as np
import pytest

from stkit_datasets.video.clip_video import ClipVideo
from stkit_datasets.video.encode import decode_mp4
from stkit_datasets.video.frames import ArrayFrames, VideoFrames
from stkit_datasets.video.palette import COLORS, PALETTE

SOURCE_HEIGHT, SOURCE_WIDTH = 192, 320


class CountingImages(list):
    reads = 0

    def __iter__(self):
        self.reads += 1
        return super().__iter__()


@pytest.fixture
def images():
    y, x = np.mgrid[:SOURCE_HEIGHT, :SOURCE_WIDTH]
    grey = (80 + (x + y) % 64).astype(np.uint8)
    return CountingImages([np.repeat(grey[..., None], 3, -1)] * 4)


def boxes_at(rows):
    return np.array([[np.nan] * 4 if row is None else row for row in rows], float)


BOX = [80, 40, 240, 152]


def test_boxes_are_scaled_to_the_video_and_drawn_only_where_visible(images):
    clip = ClipVideo(ArrayFrames(images), height_px=96)
    assert clip.size_px == (160, 96)
    mp4 = clip.encode([(boxes_at([BOX, None, BOX, None]), "red")], Fraction(2), crf=10)
    decoded = decode_mp4(mp4).astype(int)
    assert decoded.shape == (4, 96, 160, 3)
    # The box is 40...120 x 20...76 at half size; its band is the two pixels above row 20.
    band = decoded[:, 18:20, 50:110]
    reddish = (band[..., 0] - band[..., 2] > 100).all((1, 2))
    assert reddish.tolist() == [True, False, True, False]
    assert (decoded[0, 24:70, 46:114].max(-1) - decoded[0, 24:70, 46:114].min(-1)).max() < 25


@pytest.mark.parametrize("color", COLORS)
def test_each_colour_is_still_the_nearest_of_the_palette_after_coding(images, color):
    clip = ClipVideo(ArrayFrames(images))
    decoded = decode_mp4(clip.encode([(boxes_at([BOX] * 4), color)], Fraction(2)))
    band = decoded[1, 38:40, 90:230].reshape(-1, 3).mean(0)
    distances = {name: np.abs(band - PALETTE[name]).sum() for name in COLORS}
    assert min(distances, key=distances.__getitem__) == color
    assert distances[color] < 40


def test_the_pictures_are_read_once_and_not_changed_by_drawing(images):
    clip = ClipVideo(ArrayFrames(images))
    bare = clip.encode([], Fraction(2))
    first = clip.encode([(boxes_at([BOX] * 4), "red")], Fraction(2))
    second = clip.encode([(boxes_at([BOX] * 4), "cyan")], Fraction(2))
    assert len({bare, first, second}) == 3
    assert clip.encode([], Fraction(2)) == bare
    assert clip.encode([(boxes_at([BOX] * 4), "red")], Fraction(2)) == first
    assert images.reads == 1


@pytest.mark.parametrize(
    ("boxes", "rule"),
    [
        ([(np.zeros((3, 4)), "red")], r"red boxes are \(3, 4\), expected \(4, 4\)"),
        ([(np.zeros((4, 4)), "teal")], "unknown colour 'teal'"),
    ],
)
def test_boxes_that_do_not_fit_are_refused(images, boxes, rule):
    with pytest.raises(ValueError, match=rule):
        ClipVideo(ArrayFrames(images)).encode(boxes, Fraction(2))


def test_a_real_clip_end_to_end(shared_data):
    path = shared_data("vlm4d/videos_real/davis/car-shadow.mp4")
    clip = ClipVideo(VideoFrames(path, [0, 0.5, 1.0, 1.5]), height_px=240)
    boxes = boxes_at([[200, 150, 400, 300]] * 4)
    bare = decode_mp4(clip.encode([], Fraction(2))).astype(int)
    drawn = decode_mp4(clip.encode([(boxes, "magenta")], Fraction(2))).astype(int)
    assert bare.shape == (4, 240, 428, 3)
    difference = np.abs(drawn - bare).mean(-1)
    assert difference[:, 72:75, 110:190].mean() > 40
    assert difference[:, 160:, :].mean() < 4

"""The overlay video path beside a bare PyAV decode and encode of the same frames, in one run.

    python benchmarks/bench_overlay_video.py
    python benchmarks/bench_overlay_video.py --video clip.mp4

Bare path: decode, scale to 480 lines, encode to H.264 with the same settings, written with PyAV
alone. Overlay path: the same through ``ClipVideo``, with boxes drawn and reproducible bytes. Each
round runs both, in alternating order; the figure is the median over rounds. The input is made
here, in a temporary folder, unless ``--video`` names one.
"""

from __future__ import annotations

import argparse
import io
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stkit_datasets.clip import Frames
from stkit_datasets.video.clip_video import ClipVideo
from stkit_datasets.video.encode import DEFAULT_CRF, DEFAULT_PRESET, KEYFRAME_INTERVAL
from stkit_datasets.video.frames import ImageFrames, VideoFrames
from stkit_datasets.video.palette import COLORS

FPS = Fraction(2)
HEIGHT_PX = 480
CLIP_FRAMES = 40
TARGET = 0.80


def scene(index: int, width: int, height: int) -> np.ndarray:
    """A textured ground and sky that shift, with a moving block: neither flat nor noise."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(40, 216, (height // 20 + 60, width // 20 + 60, 3)).astype(np.uint8)
    shifted = coarse[index : index + height // 20 + 1, 2 * index % 50 :][:, : width // 20 + 1]
    image = shifted.repeat(20, 0).repeat(20, 1)[:height, :width].astype(np.int16)
    image += rng.integers(-12, 13, image.shape).astype(np.int16)
    x = 13 * index % (width - 200)
    image[height // 2 : height // 2 + 120, x : x + 180] = (200, 60, 40)
    return image.clip(0, 255).astype(np.uint8)


def make_jpegs(folder: Path) -> list[Path]:
    """Write one clip of 1600x900 pictures at high quality, as a camera of nuScenes gives."""
    paths = []
    for index in range(CLIP_FRAMES):
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height = 1600, 900
        encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 2)
        encoder.options = {"qmin": "3", "qmax": "3"}
        frame = av.VideoFrame.from_ndarray(scene(index, 1600, 900), format="rgb24")
        packets = encoder.encode(frame.reformat(format="yuvj420p")) or encoder.encode(None)
        paths.append(folder / f"{index:04d}.jpg")
        paths[-1].write_bytes(b"".join(bytes(packet) for packet in packets))
    return paths


def make_video(path: Path, fps: int = 30, seconds: int = 20) -> Path:
    """Write a 720p video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.codec_context.options = {"preset": "veryfast", "crf": "26"}
        pictures = [
            av.VideoFrame.from_ndarray(scene(index, 1280, 720), format="rgb24").reformat(
                format="yuv420p"
            )
            for index in range(20)
        ]
        for index in range(fps * seconds):
            picture = pictures[index // 10 % len(pictures)]
            picture.pts, picture.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def decoded_jpegs(paths: list[Path]) -> Iterator[av.VideoFrame]:
    """Decode the files with one decoder."""
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.thread_count = 1
    for path in paths:
        yield from decoder.decode(av.Packet(path.read_bytes()))
    yield from decoder.decode(None)


def decoded_video(path: Path, times_s: list[float]) -> Iterator[av.VideoFrame]:
    """The plainest loop that picks one frame per time."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 2
        wanted = {round(time_s * stream.average_rate) for time_s in times_s}
        for index, frame in enumerate(container.decode(stream)):
            if index in wanted:
                yield frame
            if index >= max(wanted):
                return


def bare(frames: Iterator[av.VideoFrame]) -> bytes:
    """Scale and encode, nothing else."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.thread_count, context.max_b_frames = 1, 0
        context.gop_size = KEYFRAME_INTERVAL
        context.options = {"preset": DEFAULT_PRESET, "crf": str(DEFAULT_CRF)}
        for index, frame in enumerate(frames):
            height = min(frame.height, HEIGHT_PX)
            width = round(frame.width * height / frame.height / 2) * 2
            scaled = frame.reformat(width, height, "yuv420p", threads=1)
            if index == 0:
                stream.width, stream.height = width, height
            scaled.pts, scaled.time_base = index, 1 / FPS
            container.mux(stream.encode(scaled))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def moving_boxes(frames: Frames, count: int) -> list[tuple[np.ndarray, str]]:
    """Give ``count`` objects that move to the right through the whole clip."""
    width, height = frames.size_px
    shift = np.linspace(0, width / 3, len(frames))[:, None] * [1, 0, 1, 0]
    starts = np.linspace(0.05, 0.5, count)
    return [
        (np.array([s * width, 0.4 * height, (s + 0.15) * width, 0.7 * height]) + shift, color)
        for s, color in zip(starts, COLORS, strict=False)
    ]


def seconds(job: Callable[[], object]) -> float:
    """Time one run."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def compare(
    label: str, bare_job: Callable[[], bytes], open_frames: Callable[[], Frames], rounds: int
) -> float:
    """Print one comparison; return overlay fps over bare fps."""
    frames = open_frames()
    boxes = moving_boxes(frames, 2)

    def overlay_job() -> bytes:
        return ClipVideo(open_frames(), HEIGHT_PX).encode(boxes, FPS)

    sizes = len(bare_job()), len(overlay_job())
    times: dict[Callable[[], bytes], list[float]] = {bare_job: [], overlay_job: []}
    for index in range(rounds):
        for job in (bare_job, overlay_job)[:: 1 if index % 2 else -1]:
            times[job].append(seconds(job))
    bare_fps, overlay_fps = (
        len(frames) / statistics.median(times[job]) for job in (bare_job, overlay_job)
    )
    clip = ClipVideo(frames, HEIGHT_PX)
    clip.encode(boxes, FPS)
    again = statistics.median(seconds(lambda: clip.encode(boxes, FPS)) for _ in range(3))
    print(
        f"{label}: {len(frames)} frames of {frames.size_px[0]}x{frames.size_px[1]} -> "
        f"{clip.size_px[0]}x{clip.size_px[1]}\n"
        f"  bare     {bare_fps:7.1f} fps  {sizes[0] / 1e3:7.0f} kB\n"
        f"  overlay  {overlay_fps:7.1f} fps  {sizes[1] / 1e3:7.0f} kB  "
        f"ratio {overlay_fps / bare_fps:.3f}\n"
        f"  each further overlay of the same clip {len(frames) / again:.1f} fps"
    )
    return overlay_fps / bare_fps


def main() -> int:
    """Compare on every input; exit status 1 when one ratio is below the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, action="append", default=[], help="a real video")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jpegs = make_jpegs(folder)
        names = [path.name for path in jpegs]
        ratios.append(
            compare(
                "JPEG files",
                lambda: bare(decoded_jpegs(jpegs)),
                lambda: ImageFrames(folder, names),
                arguments.rounds,
            )
        )
        videos = [(make_video(folder / "made.mp4"), CLIP_FRAMES)]
        for path in arguments.video:
            with av.open(str(path)) as container:
                length_s = container.duration / 1e6
            videos.append((path, min(CLIP_FRAMES, int(length_s * FPS))))
        for path, count in videos:
            times_s = [index / float(FPS) for index in range(count)]
            ratios.append(
                compare(
                    path.name,
                    lambda path=path, times_s=times_s: bare(decoded_video(path, times_s)),
                    lambda path=path, times_s=times_s: VideoFrames(path, times_s),
                    arguments.rounds,
                )
            )
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e6 if sys.platform == "darwin" else 1e3
    )
    print(f"peak RSS {peak_mb:.0f} MB; lowest ratio {min(ratios):.3f}, target {TARGET:.2f}")
    return 0 if min(ratios) >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())

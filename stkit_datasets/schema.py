"""The Features of a row, written once. Types are never inferred."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Features


@cache
def features() -> Features:
    """Return the Features of every row that STKit writes.

    ======================  =====================================================================
    ``id``                  16 hex digits from source, clip, camera, tracks, task, interval, seed
    ``source``, ``split``   where the clip is from; ``train`` or ``validation``
    ``scene_id``            scene, log or take: what train and benchmark must not share
    ``clip_id``             the clip; the same for all cameras of a scene's window
    ``camera``              the camera's name
    ``task``                one of ``stkit_datasets.tasks.names.TASKS``
    ``form``                group of sentences: ``whole`` or ``interval`` of the appearance for one
                            object, the polarity for two
    ``polarity``            ``more``/``less``/``same``/``different`` asked, null for one object
    ``question``            the question alone
    ``answer``              the answer in words
    ``prompt``              common prompt, then the question
    ``messages``            the same as a conversation, the video placeholder first
    ``target``              the machine-readable truth, unused fields null: ``value_si`` in m or
                            m/s, ``unit`` spoken in the answer, ``clock`` 1 to 12, ``start_s`` and
                            ``end_s``, ``choice`` a colour, ``same`` or ``different``
    ``uncertainty_si``      standard deviation of what the target was computed from: of a distance
                            in m, of a speed in m/s, of the difference of two that are compared,
                            of a heading in rad (``stkit_datasets.uncertainty``); null where the
                            positions are annotated and not estimated
    ``objects``             the one or two objects, in the order named: ``boxes`` per frame in
                            pixels of the source image and ``occlusion`` per frame (share hidden),
                            null where not visible; ``centers_m`` per frame in the world frame,
                            null where not annotated
    ``start_s``, ``end_s``  the run that the target was computed over, seconds in the clip
    ``timestamps_s``        time of every frame
    ``camera_poses``        per frame the first three rows of world_SE3_camera (OpenCV axes, m),
                            row by row, 12 numbers; null where the camera's pose is unknown
    ``duration_s``          length of the video
    ``fps``                 frames per second of the video
    ``width``, ``height``   of the source image, the frame of reference of ``boxes``
    ``video``               MP4 bytes, or null for annotations only
    ``boxes_drawn``         whether the video shows the objects' boxes; null without a video
    ``frames``              the source's frame files, relative to the data folder
    ``provenance``          annotation files, tokens of the annotations used, the unit (scene, log,
                            take) they were read with, the builder's version
    ``domain``              ``driving``, ``sports`` or ``general``
    ``occluded``            whether an object is hidden by a good part; null if not measurable
    ``n_objects``           most objects in view in one frame of the run
    ``object_count``        ``few``, ``several`` or ``many``, from ``n_objects``
    ``camera_motion``       ``static`` or ``dynamic``; null where the camera's pose is unknown
    ``object_size``         ``small``, ``medium`` or ``large`` share of the image
    ======================  =====================================================================
    """
    from datasets import Features, List, Value, Video

    text, number = Value("string"), Value("float64")
    return Features(
        {
            "id": text,
            "source": text,
            "split": text,
            "scene_id": text,
            "clip_id": text,
            "camera": text,
            "task": text,
            "form": text,
            "polarity": text,
            "question": text,
            "answer": text,
            "prompt": text,
            "messages": List({"role": text, "content": List({"type": text, "text": text})}),
            "target": {
                "task": text,
                "value_si": number,
                "unit": text,
                "clock": Value("int32"),
                "start_s": number,
                "end_s": number,
                "choice": text,
            },
            "uncertainty_si": number,
            "objects": List(
                {
                    "track_id": text,
                    "category": text,
                    "color": text,
                    "boxes": List(List(Value("float32"))),
                    "occlusion": List(Value("float32")),
                    "centers_m": List(List(number)),
                }
            ),
            "start_s": number,
            "end_s": number,
            "timestamps_s": List(number),
            "camera_poses": List(List(number)),
            "duration_s": number,
            "fps": number,
            "width": Value("int32"),
            "height": Value("int32"),
            "video": Video(decode=False),
            "boxes_drawn": Value("bool"),
            "frames": List(text),
            "provenance": {
                "files": List(text),
                "tokens": List(text),
                "unit": text,
                "version": text,
            },
            "domain": text,
            "occluded": Value("bool"),
            "n_objects": Value("int32"),
            "object_count": text,
            "camera_motion": text,
            "object_size": text,
        }
    )


@cache
def arrow_schema() -> pa.Schema:
    """Return the Arrow schema of ``features()``, without the metadata of ``datasets``."""
    return features().arrow_schema.remove_metadata()

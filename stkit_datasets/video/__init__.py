"""Decode, draw, encode.

Import from the modules: :mod:`.frames` (where pictures come from), :mod:`.clip_video` (a clip that
is encoded many times with different boxes), :mod:`.overlay`, :mod:`.encode`, :mod:`.palette`,
:mod:`.contact_sheet`. Nothing here imports PyAV before the first picture is read or written.
"""

"""Estimated 3D tracks of videos without annotations: their files, and how they are made."""

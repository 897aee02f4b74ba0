"""VLM4D."""

from stkit_bench.vlm4d.choice import READER_VERSION, read_choice

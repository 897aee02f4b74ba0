import subprocess
import sys

import pytest

LIGHT = """
import sys
import stkit_datasets.video.clip_video, stkit_datasets.video.contact_sheet
sys.exit(", ".join({"av", "PIL", "torch"} & set(sys.modules)) or 0)
"""

WITHOUT = """
import sys
sys.modules["av"] = sys.modules["PIL"] = None
import numpy as np
from stkit_datasets.video.contact_sheet import _encoded
from stkit_datasets.video.encode import decode_mp4
sheet = np.zeros((4, 4, 3), np.uint8)
for call in (lambda: decode_mp4(b""), lambda: _encoded(sheet, (1, 1), 1, [], "png")):
    try:
        call()
    except ImportError as error:
        assert 'pip install ".[video]" in a clone of STKit' in str(error), error
    else:
        raise AssertionError("no ImportError")
"""


@pytest.mark.parametrize("script", [LIGHT, WITHOUT])
def test_pyav_and_pillow_are_asked_for_only_when_needed(script):
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr

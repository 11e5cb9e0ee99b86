"""One model is built at a time.

While transformers builds a model, PyTorch's default dtype and device are that model's, for every
thread. Two at once, such as a stage ahead of a run and a run after one that failed, would leave
them changed for good.
"""

from __future__ import annotations

import threading
from typing import Final

BUILDING: Final = threading.RLock()
"""Held by whoever loads a model with transformers."""

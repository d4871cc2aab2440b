"""Objects of the API, read by several threads."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: what this is about ends one.
_PROGRAM = """
import sys, threading
from lightkube import codecs
from lightkube.core import decoders
from lightkube.resources.core_v1 import Pod
from installer.kubernetes import kinds
kinds.make_ready()
start = threading.Barrier(8)
def read():
    start.wait()
    codecs.from_dict({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}})
    decoders.decode_list(b'{"items": [{"metadata": {"name": "a"}}]}', Pod)
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_may_read_the_same_kind_at_once() -> None:
    """Without make_ready, this ends with a segmentation fault nine times in ten."""
    for _ in range(3):
        assert subprocess.run([sys.executable, "-c", _PROGRAM], check=False, timeout=60).returncode == 0

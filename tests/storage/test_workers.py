"""The pool of threads."""

from __future__ import annotations

import subprocess
import sys

from eegarchive.storage import workers

#: What a Ctrl-C does that arrives while a thread is being started.
INTERRUPTED = """
import threading
from eegarchive.storage import workers

start = threading.Thread.start

def interrupted(thread):
    start(thread)
    if threading.current_thread() is threading.main_thread() and not thread.daemon:
        raise KeyboardInterrupt

threading.Thread.start = interrupted
print(sum(workers.spread(abs, [-1, -2])))
"""


def test_a_ctrl_c_while_threads_start_hangs_nothing() -> None:
    said = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60, check=False
    )
    assert said.stdout == "3\n", said.stderr


def test_all_threads_are_there_from_the_start() -> None:
    assert len(workers.pool()._threads) == workers.num_cores()

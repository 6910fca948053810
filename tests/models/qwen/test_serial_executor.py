import subprocess
import sys
import threading

import pytest

from models.qwen.serial_executor import SerialExecutor
from testing.patience import WAIT_SECONDS


def test_all_is_done_on_one_thread_in_its_turn() -> None:
    thread, idents = SerialExecutor("one"), set()
    for _ in range(3):
        idents.add(thread.run(threading.get_ident))
    assert len(idents) == 1
    assert threading.get_ident() not in idents


def test_what_it_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        SerialExecutor("one").run(lambda: 1 / 0)


def test_it_ends_with_its_owner() -> None:
    thread = SerialExecutor("mine")
    [running] = [each for each in threading.enumerate() if each.name == "mine"]
    del thread
    running.join(WAIT_SECONDS)
    assert not running.is_alive()


def test_a_process_that_ends_does_not_wait_for_it() -> None:
    program = """
import threading
from models.qwen.serial_executor import SerialExecutor
begun = threading.Event()
thread = SerialExecutor("one")
threading.Thread(target=thread.run, args=(lambda: [begun.set(), threading.Event().wait()],), daemon=True).start()
begun.wait()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=WAIT_SECONDS)

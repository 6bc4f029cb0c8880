"""kill -9 at a step of a Python program: at any moment of its work, on a machine of any speed."""

from __future__ import annotations

# For the beginning of a program, through str.format(): die_at(N) kills it at its Nth call or return
# from then on, of Python or C.  With 0 it lives, and says in the end how many there were.
DIE_AT = """
import atexit as _atexit, os as _os, signal as _signal, sys as _sys

def die_at(moment):
    ours, steps = _os.getpid(), 0

    def step(*_):
        nonlocal steps
        steps += 1
        if steps == moment and _os.getpid() == ours:  # not what it forks
            _os.kill(ours, _signal.SIGKILL)

    def tell():
        _sys.setprofile(None)
        if not moment and _os.getpid() == ours:
            print(f"steps: {{steps}}", flush=True)

    _atexit.register(tell)
    _sys.setprofile(step)
"""


def steps_told(said: str) -> int:
    """How many there were, from the output of a program that lived."""
    return int(said.rpartition("steps: ")[2].split()[0])

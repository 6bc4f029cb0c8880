"""Runs that nobody goes on with: none of them may look for ever as if it went on."""

from __future__ import annotations

from pathlib import Path
from typing import Collection

from xentest import moment, ownrunner, runs
from xentest.errors import XentestError
from xentest.progress import Progress
from xentest.results import Status


def close(folders: Collection[Path], progress: Progress) -> None:
    """End those of the runs in these folders that are still open: another one begins."""
    for folder in sorted(folders):
        try:
            old = runs.open_run(folder.parent, folder.name)
        except XentestError as error:
            progress.say(f"not closed: {error.what}")
            continue
        if not old.is_over:
            _close(old, progress)


def _close(old: runs.Run, progress: Progress) -> None:
    if ownrunner.end_left(old.folder):
        progress.say(f"ended xenruntests, left at work by run {old.id}")
    reason = f"given up while {old.facts.get('state')}: another run was begun"
    old.make_room()
    old.update(state="broken", status=Status.BROKEN.value, reason=reason, ended=moment.now())
    progress.say(f"run {old.id}: {reason}")

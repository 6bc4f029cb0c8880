"""Which whole runs a slow machine comes to."""

from __future__ import annotations

import turns

FILES = {f"test_{letter}" for letter in "abcdefghijklmnopqr"} | {turns.NIGHT}


def test_the_night_is_first_and_nothing_is_forgotten() -> None:
    for day in range(40):
        today = turns.order(FILES, day * turns.DAY + 1)
        assert today[0] == turns.NIGHT
        assert sorted(today) == sorted(FILES)


def test_a_day_has_one_order() -> None:
    assert turns.order(FILES, 7 * turns.DAY) == turns.order(FILES, 8 * turns.DAY - 1)


def test_who_comes_to_five_a_day_comes_to_all_in_a_few() -> None:
    """Also when the number of files is one of five's."""
    for files in (FILES, FILES - {"test_a", "test_b", "test_c"}):
        seen: set[str] = set()
        for day in range(100, 105):
            seen.update(turns.order(files, day * turns.DAY)[:6])
        assert seen == files

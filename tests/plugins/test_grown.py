"""A log that grows is folded line by line, once, whoever asks."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ao_plugins._grown import Grown

LINES = 50


def slowly(found: list[int], line: Mapping[str, Any]) -> list[int]:
    time.sleep(0.001)  # so that others come in between
    return [*found, line["n"]]


def test_many_who_ask_at_once_are_told_of_each_line_once(tmp_path: Path) -> None:
    log, logs = tmp_path / "log", Grown(list[int], slowly)
    log.write_text("".join(f'{{"n": {n}}}\n' for n in range(LINES)))
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(logs.of, [log] * 8))
    assert told == [list(range(LINES))] * 8


def test_only_what_is_new_is_read_and_one_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    log, logs = tmp_path / "log", Grown(list[int], slowly)
    assert logs.of(log) is None
    log.write_text('{"n": 1}\n{"n": 2}\n{"n"')
    assert logs.of(log) == [1, 2]
    with log.open("a") as file:
        file.write(": 3}\nnonsense\n[4]\n")
    assert logs.of(log) == [1, 2, 3]
    log.write_text('{"n": 9}\n')
    assert logs.of(log) == [9]

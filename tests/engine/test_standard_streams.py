"""Standard streams that block nobody: what may wait, what is left out, and that each is told."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from everytick import standard_streams
from everytick.standard_streams import _Queue
from everytick.system import use
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loguru import logger

MOST = 1_000


class Pipe:
    """The queue before a file, and its thread, which works only when the test says so."""

    def __init__(self, file: Any) -> None:
        self._file, self.told = file, 0
        self.queue = _Queue(file, "standard error")

    def read(self) -> None:
        """Let the queue's thread pass on all that waits."""
        while self.queue._waiting:
            self.queue._step()

    def text(self) -> bytes:
        return Path(self._file.name).read_bytes()


@contextmanager
def pipe(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    patch.setattr(standard_streams, "_MOST_WAITING", MOST)
    (folder / "said").write_bytes(b"")

    def no_thread(*_: object, **__: object) -> None:
        """The test itself does what the thread does."""

    with (folder / "said").open("w") as file, use(start_thread=no_thread):
        made = Pipe(file)

        def hear(message: Any) -> None:
            if found := re.search(r"(\d+) line\(s\) could not be written", message):
                made.told += int(found[1])

        sink = logger.add(hear, format="{message}")
        try:
            yield made
        finally:
            logger.remove(sink)


@pytest.mark.parametrize("length", [MOST - 2, MOST - 1, MOST, MOST + 1, 10 * MOST])
@pytest.mark.parametrize("times", [1, 3])
def test_after_a_line_of_any_length_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, times: int
) -> None:
    with pipe(tmp_path, monkeypatch) as there:
        for _ in range(times):
            there.queue.write(b"y" * length + b"\n")
        there.read()
        there.queue.write(b"and on\n")
        there.read()
        lines = there.text().split(b"\n")
        assert lines[-2:] == [b"and on", b""]
        assert len(lines) - 2 + there.told == times
        assert {len(line) for line in lines[:-2]} == {length}


def test_a_line_that_does_not_fit_any_more_is_left_out_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pipe(tmp_path, monkeypatch) as there:
        # As `print` has it, which writes the end of the line by itself.
        for piece in (b"a" * MOST, b"\n", b"left", b" out", b"\n", b"begun"):
            there.queue.write(piece)
        there.read()
        for piece in (b" and lost\n", b"and on\n"):
            there.queue.write(piece)
        there.read()
        assert there.text() == b"a" * MOST + b"\nand on\n"
        assert there.told == 2


PIECES = st.one_of(
    st.just(b"\n"),
    st.builds(
        lambda length, end: b"y" * length + end,
        st.one_of(st.integers(0, 9), st.integers(MOST - 2, MOST + 2), st.just(3 * MOST)),
        st.sampled_from([b"", b"\n", b"\nz", b"\nz\n"]),
    ),
)


@pytest.mark.full
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_=st.lists(st.one_of(PIECES, st.just(None)), max_size=30))
def test_each_line_is_passed_on_whole_or_told_as_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_: list[bytes | None]
) -> None:
    """None: the reader reads all that waits."""
    with pipe(tmp_path, monkeypatch) as there:
        for piece in given_:
            if piece is None:
                there.read()
                assert not there.queue._left_out
            else:
                there.queue.write(piece)
        there.read()
        there.queue.write(b"\n")
        there.read()
        there.queue.write(b"and on\n")
        there.read()
        written = b"".join(piece for piece in given_ if piece) + b"\nand on\n"
        lines, passed = written.split(b"\n")[:-1], there.text().split(b"\n")[:-1]
        assert passed[-1] == b"and on"
        assert len(passed) + there.told >= len(lines)
        # Of a line that was begun when there was room, and went on when there was none, the rest is left out.
        left = iter(lines)
        assert all(any(line.startswith(part) for line in left) for part in passed)


def closed(stream: Any) -> None:
    stream.close()


def closed_below(stream: Any) -> None:
    stream.buffer.close()


def detached(stream: Any) -> None:
    stream.detach()


def wrapped_and_forgotten(stream: Any) -> None:
    io.TextIOWrapper(stream.buffer).close()


def closed_by_number(stream: Any) -> None:
    os.close(stream.fileno())


@pytest.mark.parametrize("harm", [closed, closed_below, detached, wrapped_and_forgotten, closed_by_number])
def test_a_stream_that_a_job_closes_goes_on(tmp_path: Path, harm: Callable[[Any], None]) -> None:
    descriptor = os.open(tmp_path / "said", os.O_WRONLY | os.O_CREAT)
    file = os.fdopen(descriptor, "w", closefd=False)
    queue = _Queue(file, "standard output")
    text = standard_streams._Text(queue, encoding="utf-8", write_through=True)  # type: ignore[arg-type]
    harm(text)
    text.write("and on\n")
    queue.finish(10)
    assert (tmp_path / "said").read_text() == "and on\n"
    assert not text.closed
    if harm is not closed_by_number:
        os.close(descriptor)


FIRST_LINE = """
import sys
from everytick.logs import log_to_stderr
from everytick.standard_streams import put_back, unblock
from loguru import logger

unblock()
log_to_stderr()
del sys.stderr
logger.info("the first line")
print(put_back())
"""


@pytest.mark.full
def test_the_first_line_is_passed_on_while_a_job_has_deleted_standard_error() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_LINE], capture_output=True, text=True, check=False)
    assert "the first line" in done.stderr
    assert (done.stdout, done.returncode) == ("['sys.stderr']\n", 0)

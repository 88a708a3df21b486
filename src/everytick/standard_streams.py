"""Standard output and standard error which never block the program.

They take each text at once, and a thread of their own passes it on. A pipe that nobody reads,
one whose reader is gone, and a full disk hold up neither the event loop, nor a job that prints, nor the end
of the process. Lines that could not be passed on are counted, and their number is logged as soon as possible.
"""

from __future__ import annotations

import atexit
import errno
import io
import os
import select
import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TextIO

from loguru import logger

from .system import system

# How much may wait to be passed on, in bytes. More is left out.
_MOST_WAITING = 1_000_000
# How long the end of the process waits for text that is not passed on yet, in seconds.
_PATIENCE = 2.0
# File handles that the start needs for what matters more.
_SPARE = 16


class _Queue(io.RawIOBase):
    """Takes the bytes of one stream and passes them on to its file descriptor, on a thread."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._name, self._given_number = name, stream.fileno()
        # A number of its own: if a job closes that of the stream, the next file that is opened gets that.
        self.number = _copied(self._given_number)
        self._waiting: deque[bytes] = deque()
        # How much waits, in bytes and in lines.
        self._size = self._lines = 0
        # Lines that were left out and not yet told of; whether that is so for want of room.
        self._left_out = 0
        self._is_full = False
        # Whether what comes next goes on with a line that was begun, or with one that is left out.
        self._is_amid_line = self._is_amid_left_out = False
        # Of a lock that the same thread may take twice: a signal's handler may write while it is held.
        self._changed = system.condition()
        self._is_threaded = False
        self._is_direct = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._given_number

    def isatty(self) -> bool:
        return os.isatty(self.number)

    def close(self) -> None:
        """Stay open: all code of this process writes here, and a job that closes it means only its own."""
        if not sys.is_finalizing():
            # Also called when an object around this one is forgotten, at any place of the program.
            with suppress(Exception):
                logger.error("something wanted to close {} of all jobs; it stays open", self._name)

    def write(self, given: bytes) -> int:  # type: ignore[override]
        """Take bytes; never blocks."""
        chunk = bytes(given)
        if not chunk:
            return 0
        if self._is_direct or not self._has_thread():
            self._pass_on(chunk)
            return len(chunk)
        with self._changed:
            # One piece may be longer than what may wait. Where nothing waits, it is never too long.
            self._is_full = self._is_full or self._size >= _MOST_WAITING
            if self._is_full:
                self._leave_out(chunk)
            elif self._is_amid_left_out:
                # The rest of a line whose beginning was left out.
                rest = chunk.find(b"\n") + 1 or len(chunk)
                self._leave_out(chunk[:rest])
                self._let_wait(chunk[rest:])
            else:
                self._let_wait(chunk)
        return len(chunk)

    def _let_wait(self, chunk: bytes) -> None:
        if chunk:
            self._waiting.append(chunk)
            self._size += len(chunk)
            self._lines += chunk.count(b"\n")
            self._is_amid_line = not chunk.endswith(b"\n")
            self._changed.notify_all()

    def _leave_out(self, chunk: bytes) -> None:
        """Count the lines of a piece, also one that only begins in it. What waits of a line ends here."""
        if self._is_amid_line:
            self._let_wait(b"\n")
            chunk = chunk.removeprefix(b"\n")
        if chunk:
            is_amid = not chunk.endswith(b"\n")
            self._left_out += chunk.count(b"\n") + is_amid - self._is_amid_left_out
            self._is_amid_left_out = is_amid

    def finish(self, patience: float) -> None:
        """Wait some seconds at most until all is passed on; count the lines that remain as left out."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._size, patience):
                self._left_out += max(1, self._lines)

    def log_left_out(self) -> None:
        """Log how many lines were left out since the last time, if any."""
        with self._changed:
            number, self._left_out = self._left_out, 0
        if number:
            logger.warning("{} line(s) could not be written to {} and were left out", number, self._name)

    def be_direct(self) -> None:
        """Go on in a child that was forked, where the thread is not: there is nobody else to hold up."""
        self._is_direct = True
        # A child may put something else there, by this number.
        self.number = self._given_number
        self._waiting.clear()
        self._changed = system.condition()

    def _has_thread(self) -> bool:
        if not self._is_threaded:
            try:
                system.start_thread(self._work, name=f"scheduler-{self._name.replace(' ', '-')}")
            except RuntimeError:
                # No thread can be had: too many of them, or the interpreter is ending.
                return False
            self._is_threaded = True
        return True

    def _work(self) -> None:
        while True:
            self._step()

    def _step(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            chunk = b"".join(self._waiting)
            self._waiting.clear()
        is_done, lines = self._pass_on(chunk), chunk.count(b"\n")
        with self._changed:
            self._size -= len(chunk)
            self._lines -= lines
            self._left_out += 0 if is_done else lines
            is_empty = not self._size
            self._is_full = self._is_full and not is_empty
            self._changed.notify_all()
        if is_done and is_empty:
            self.log_left_out()

    def _pass_on(self, chunk: bytes) -> bool:
        rest = memoryview(chunk)
        while rest:
            try:
                rest = rest[os.write(self.number, rest) :]
            except BlockingIOError:
                # Another program, which has the same pipe, made it so.
                system.sleep(0.02)
            except OSError as problem:
                if problem.errno != errno.EBADF or self.number == self._given_number:
                    return False
                # A job has closed all files but the standard streams.
                self.number = self._given_number
        return True


def _copied(number: int) -> int:
    """Return a new number of a file that is open; the same where file handles are too few for the start."""
    os.fstat(number)
    return os.dup(number) if system.has_file_handles(_SPARE) else number


class _Text(io.TextIOWrapper):
    """The text of a stream for all code of this process. No job can close it, nor take its bytes away."""

    # As a sink of the log it needs no thread besides that of its queue; see `log_sinks`.
    never_waits = True

    def close(self) -> None:
        self.buffer.close()

    def detach(self) -> Any:
        """Return the stream of bytes, which goes on to be that of this text too."""
        return self.buffer


# What `unblock` put into the place of the standard streams, by its name in the module `sys`.
_own: dict[str, Any] = {}
_queues: dict[TextIO, tuple[_Queue, TextIO]] = {}


def unblocked(stream: Any) -> Any:
    """Return a stream that blocks nobody in the place of this process's standard output or standard error.

    Any other is returned as it is: what a test or a program has put there is no pipe of this process. So is
    None, which Python has where a process was started without the stream.
    """
    if stream is None or (stream is not sys.__stdout__ and stream is not sys.__stderr__):
        return stream
    if stream not in _queues:
        assert stream is not None
        try:
            stream.flush()
            queue = _Queue(stream, "standard output" if stream is sys.__stdout__ else "standard error")
        except (OSError, ValueError):
            # It is closed.
            return stream
        if not _queues:
            atexit.register(finish)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=_be_direct)
        text = _Text(
            queue,  # type: ignore[arg-type]
            encoding=stream.encoding,
            errors="backslashreplace",
            newline=None if os.name == "nt" else "",
            write_through=True,
        )
        _queues[stream] = (queue, text)
    return _queues[stream][1]


def unblock() -> None:
    """Let all that this process writes to its standard output and standard error block nobody from now on."""
    for name in ("stdout", "stderr"):
        stream = unblocked(getattr(sys, name))
        setattr(sys, name, stream)
        if stream is not None:
            _own[name] = stream


def put_back(*needed: str) -> list[str]:
    """Undo that a job has put something that cannot be written to in the place of what `unblock` put there.

    What can be written to stays, such as by `contextlib.redirect_stdout`, if it has the methods `needed`
    besides. Returns what was put back.
    """
    done = []
    for name, own in _own.items():
        if getattr(sys, name, None) is not own and not _has(getattr(sys, name, None), "write", *needed):
            setattr(sys, name, own)
            done.append(f"sys.{name}")
    return done


def _has(stream: Any, *methods: str) -> bool:
    try:
        return all(callable(getattr(stream, it)) for it in methods) and not getattr(stream, "closed", False)
    except Exception:
        # There is no such thing, or it is code of a job.
        return False


def finish(patience: float = _PATIENCE) -> None:
    """Wait at the end of the process until all is written, for some seconds at most."""
    # Python itself calls this at its end.
    put_back("flush")
    # The last one to be waited for is standard error, to which the number of lines left out is logged.
    for queue, _text in _in_order(_queues.values()):
        queue.finish(patience)
        queue.log_left_out()


def last_line(line: bytes) -> None:
    """Write a line to standard error by the direct way, if that takes it at once. Needs hardly any memory."""
    queue, _text = _queues.get(sys.__stderr__, (None, None)) if sys.__stderr__ else (None, None)
    number = 2 if queue is None else queue.number
    with suppress(OSError, ValueError, MemoryError):
        # Windows can ask this of sockets only.
        if os.name == "nt" or select.select((), (number,), (), 0)[1]:
            os.write(number, line)


def _in_order(found: Iterable[tuple[_Queue, TextIO]]) -> list[tuple[_Queue, TextIO]]:
    return sorted(found, key=lambda pair: pair[0].fileno())


def _be_direct() -> None:
    for queue, _text in _queues.values():
        queue.be_direct()

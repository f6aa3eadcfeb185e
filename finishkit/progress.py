"""One stream of events, three places where it is seen: a terminal, a notebook, a file."""

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, TextIO

from finishkit.errors import FinishError
from finishkit.inplace import own


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.

    Attributes
    ----------
    kind : str
        ``begin`` (a run begins; ``facts`` has its plan), ``stage`` (a stage begins; ``total``
        shots), ``shot`` (one of them is done), ``skip`` (it stood already), ``quarantine``,
        ``note``, and last of all ``end``, ``paused`` or ``error``.
    stage, shot, text : str
    done, total : int
    time_s : float
        Wall clock, for readers of the file; never part of a result.
    facts : dict of str to object
        What only the monitor needs; plain JSON.
    """

    kind: str
    stage: str = ""
    shot: str = ""
    text: str = ""
    done: int = 0
    total: int = 0
    time_s: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


class Sink(Protocol):
    """Where events go."""

    def __call__(self, event: Event) -> None:
        """Take one event."""
        ...


class Progress:
    """Hands events to every sink.

    Parameters
    ----------
    *sinks : Sink
    """

    def __init__(self, *sinks: Sink) -> None:
        self.sinks = sinks

    def __call__(
        self,
        kind: str,
        *,
        stage: str = "",
        shot: str = "",
        text: str = "",
        done: int = 0,
        total: int = 0,
        facts: dict[str, Any] | None = None,
    ) -> None:
        """Say that something happened."""
        event = Event(
            kind=kind,
            stage=stage,
            shot=shot,
            text=text,
            done=done,
            total=total,
            time_s=time.time(),
            facts=facts or {},
        )
        for sink in self.sinks:
            sink(event)

    def counter(self, stage: str) -> Callable[[int, int, str], None]:
        """Return a plain ``(done, total, shot)`` callback that reports under one stage's name."""
        begun = False

        def count(done: int, total: int, shot: str) -> None:
            nonlocal begun
            if not begun:
                begun = True
                self("stage", stage=stage, total=total)
            if done:
                self("shot", stage=stage, shot=shot, done=done, total=total)

        return count


class JsonLines:
    """Appends events to a file, one JSON object a line: what a monitor reads after reconnecting.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what could not be written once is not tried again with the next event.
            self._file = own(path).open("ab", buffering=0)
        except OSError as error:
            raise self._failed(error) from error

    def __call__(self, event: Event) -> None:
        """Take one event.

        Raises
        ------
        FinishError
            ``write_failed``: a night that nobody can follow is ended, and can be gone on with.
        """
        line = json.dumps(asdict(event)).encode() + b"\n"
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _failed(self, error: OSError) -> FinishError:
        return FinishError(
            f"{self._path} could not be written: {error.strerror}. Free some space, or choose"
            " another --out folder.",
            "write_failed",
        )


class Pace:
    """Rate and time left, from the work of the last ten minutes.

    Parameters
    ----------
    window_s : float, optional
        How far back to look, seconds: a slow start must not spoil the estimate for ever.
    """

    def __init__(self, window_s: float = 600.0) -> None:
        self._window_s = window_s
        self._marks: deque[tuple[float, int]] = deque()

    def update(self, done: int, now_s: float | None = None) -> None:
        """Note that ``done`` items stand.

        Parameters
        ----------
        done : int
            Items that stand.
        now_s : float, optional
            A monotonic clock's reading; taken now when absent.
        """
        now = time.monotonic() if now_s is None else now_s
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[0][0] > self._window_s:
            self._marks.popleft()

    @property
    def per_hour(self) -> float | None:
        """Items an hour; ``None`` before there is anything to go by."""
        if len(self._marks) < 2:
            return None
        (t0, d0), (t1, d1) = self._marks[0], self._marks[-1]
        return 3600 * (d1 - d0) / (t1 - t0) if t1 > t0 and d1 > d0 else None

    def eta_s(self, total: int) -> float | None:
        """Return the seconds left until ``total``.

        Parameters
        ----------
        total : int
            All items there are.
        """
        rate = self.per_hour
        return (total - self._marks[-1][1]) / rate * 3600 if rate else None


class Terminal:
    """A line a stage on standard error: a live bar on a terminal, plain lines elsewhere.

    Parameters
    ----------
    stream : TextIO, optional
        Standard error by default: data goes to standard output.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and "NO_COLOR" not in os.environ
        self._pace = Pace()
        self._started_s = time.monotonic()
        self._last_s = 0.0

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if event.kind == "stage":
            self._pace = Pace()
            self._pace.update(0)
            self._started_s = time.monotonic()
            self._last_s = 0.0
            self._show(event.stage, 0, event.total)
        elif event.kind in ("shot", "skip"):
            self._pace.update(event.done)
            self._show(event.stage, event.done, event.total)
        elif event.kind == "quarantine":
            self._line(f"  quarantined {event.shot}: {event.text}")
        elif event.kind in ("note", "end"):
            self._line(event.text)

    def _show(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        finished = done >= total
        if not self._live and not finished and now - self._last_s < 5:
            return
        self._last_s = now
        filled = round(24 * done / total) if total else 24
        bar = "█" * filled + "·" * (24 - filled)
        parts = [f"{stage:<12} {bar} {done}/{total}" + (" shots" if total > 1 else "")]
        if finished:
            parts.append(f"{now - self._started_s:.0f} s")
        else:
            eta, rate = self._pace.eta_s(total), self._pace.per_hour
            if eta is not None and rate is not None:
                parts.append(f"{duration_text(eta)} left, {rate:.0f} shots/h")
        text = "  ".join(parts)
        if self._live:
            self._stream.write(f"\r\x1b[2K{text}" + ("\n" if finished else ""))
            self._stream.flush()
        else:
            self._line(text)

    def _line(self, text: str) -> None:
        self._stream.write(("\r\x1b[2K" if self._live else "") + text + "\n")
        self._stream.flush()


def duration_text(seconds: float) -> str:
    """Return a duration as people say it: ``45 s``, ``12 min``, ``2 h 10 min``.

    Parameters
    ----------
    seconds : float
        Not negative.
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"

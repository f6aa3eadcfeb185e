"""How the finishing of an episode stands; start it, pause it, read its report."""

import html
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from finishkit.batch import BatchProcess, watch_batch
from finishkit.errors import FinishError
from finishkit.watch import BatchState, StageState
from finishkit_widgets.behaviour import FrontEnd
from finishkit_widgets.front import css, esm

if TYPE_CHECKING:
    from finishkit_widgets.session import Session

POLL_S = 0.7
"""So often the folder is read while something goes on and somebody looks."""

LOOKED_S = 10.0
"""A view says every three seconds that it is there; after this long without one nobody looks."""

MOST_REPORT_BYTES = 24_000_000
"""A report of 80 shots has about 6 MB; beyond this only its place is said."""

SEAL_CHARACTERS = 12

MARKS = {
    "idle": "○",
    "starting": "◌",
    "running": "▶",
    "pausing": "◐",
    "paused": "❚❚",
    "finished": "●",
    "failed": "■",
    "stopped": "■",
    "busy": "▷",
}
"""A shape a phase: nothing is said by colour alone."""


class BatchMonitor(FrontEnd):
    """Stages, shots, rate and time left of the episode's batch, with its three buttons.

    Everything shown lies on disk: a new kernel, or another computer on the same folder, shows the
    same. The folder is read by a thread, only while a view is shown and something goes on.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    state : dict
        What is shown, as plain JSON: see :meth:`summary` for the gist of it.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    """

    part: ClassVar[str] = "monitor"
    acts = ("start", "pause", "open_report", "look")
    _esm = esm("monitor")
    _css = css("monitor")

    state = traitlets.Dict().tag(sync=True)

    def __init__(self, session: "Session", **keywords: Any) -> None:
        self._watch = watch_batch(session.folder)
        self._stood = self._watch.state()
        self._looked_s = 0.0
        self._lock = threading.Lock()
        self._poller: threading.Thread | None = None
        self._closed = threading.Event()
        self.started: BatchProcess | None = None
        super().__init__(session, **keywords)
        self.refresh()
        self.watch(("template", "language"), self._on_change)

    def close(self) -> None:
        """Stop reading the folder, and take the view away. The batch goes on."""
        self._closed.set()
        super().close()

    def refresh(self) -> BatchState:
        """Read the folder now, show it, and return how it stands."""
        with self._lock:
            self._stood = self._watch.state()
            self.state = self._shown(self._stood)
            stood = self._stood
        # Told outside the lock: whoever hears of it may ask how it stands.
        over = stood.phase == "finished"
        self.session.finished = stood.done if over else min(stood.done, self.session.finished)
        return stood

    def look(self) -> None:
        """Say that somebody looks: the folder is read for a while."""
        self._looked_s = time.monotonic()
        going_on = self.refresh().going_on
        if going_on and not (self._poller and self._poller.is_alive()):
            self._poller = threading.Thread(
                target=self._poll, name="finishkit-monitor", daemon=True
            )
            self._poller.start()

    def start(self) -> None:
        """Start the batch, or go on with it; it outlives this kernel.

        Raises
        ------
        FinishError
            See :meth:`finishkit_widgets.session.Session.finish`.
        """
        self.started = self.session.finish()
        self.look()

    def pause(self) -> None:
        """Let the shots under way be finished, and begin no other.

        Raises
        ------
        FinishError
            ``not_running``.
        """
        self.session.pause()
        self.look()

    def open_report(self) -> None:
        """Show the report below the monitor.

        Raises
        ------
        FinishError
            ``no_report`` while there is none.
        """
        path = self.session.report_path
        if not path.is_file():
            raise FinishError(f"There is no report at {path} yet.", "no_report")
        if path.stat().st_size > MOST_REPORT_BYTES:
            said = self.words["report_too_large"].format(path=path)
            return self.send({"say": "report", "text": said})
        said = self.words["report_at"].format(path=path)
        return self.send({"say": "report", "text": said}, [path.read_bytes()])

    def summary(self) -> str:
        """Return how it stands, in two sentences."""
        stood = self._stood
        said = self.words["summary"].format(
            episode=stood.episode,
            phase=self.words[f"phase.{stood.phase}"],
            done=stood.done,
            shots=stood.shots or len(self.session.episode),
            aside=stood.quarantined,
            left=stood.left if stood.started_s else len(self.session.episode),
        )
        if stood.phase not in ("running", "pausing"):
            return said
        value, note = self._time_left(stood)
        spoken = f"{value} ({note})" if note else value
        return f"{said} {self.words['summary_left'].format(time=spoken)}"

    def still_html(self) -> str:
        """Return figures, stages and shots set aside as tables."""
        shown = self.state
        figures = "".join(
            f"<td><b>{html.escape(f['value'])}</b><br>{html.escape(f['name'])}"
            f"<br><small>{html.escape(f['note'])}</small></td>"
            for f in shown["figures"]
        )
        stages = "".join(
            f"<tr><td>{html.escape(s['label'])}</td><td><progress max='{max(1, s['total'])}'"
            f" value='{s['done']}'></progress></td><td>{s['done']}/{s['total']}</td></tr>"
            for s in shown["stages"]
        )
        aside = "".join(
            f"<li><b>{html.escape(s['shot'])}</b> {html.escape(s['text'])}</li>"
            for s in shown["set_aside"]
        )
        error = f"<p>{html.escape(shown['error'])}</p>" if shown["error"] else ""
        return (
            f"<div><p>{html.escape(self.summary())}</p><table><tr>{figures}</tr></table>"
            f"<table>{stages}</table>{error}<ul>{aside}</ul>"
            f"<p>{html.escape(self.words['still'])}</p></div>"
        )

    def _on_change(self, _: Any) -> None:
        self.refresh()

    def _poll(self) -> None:
        while not self._closed.wait(POLL_S):
            try:
                going_on = self.refresh().going_on
            except Exception as error:
                self.say_error(error)
                return
            if not going_on or time.monotonic() - self._looked_s > LOOKED_S:
                return

    def _shown(self, stood: BatchState) -> dict[str, Any]:
        words = self.session.words(self.part)
        locked = self.session.template is not None
        start = {"paused": "go_on", "stopped": "go_on", "failed": "go_on", "finished": "run_again"}
        seal = stood.template_sha256[:SEAL_CHARACTERS]
        return {
            "episode": stood.episode,
            "phase": stood.phase,
            "mark": MARKS[stood.phase],
            "phase_text": words[f"phase.{stood.phase}"],
            "template": words["template"].format(name=stood.template, seal=seal) if seal else "",
            "figures": self._figures(stood),
            "stages": [self._stage(stage, stood) for stage in stood.stages],
            "error": stood.last_error,
            "set_aside": [{"shot": s.shot, "text": s.text} for s in stood.set_aside],
            "start_label": words[start.get(stood.phase, "start")],
            "can_start": locked and not stood.going_on,
            "why_not": "" if locked or stood.going_on else words["lock_first"],
            "can_pause": stood.phase == "running",
            "has_report": stood.report is not None,
        }

    def _figures(self, stood: BatchState) -> list[dict[str, str]]:
        words = self.session.words(self.part)
        begun = stood.started_s is not None
        count = stood.shots if begun else len(self.session.episode)
        figures = [
            (words["done"], str(stood.done), words["of_shots"].format(n=count)),
            (words["set_aside"], str(stood.quarantined), ""),
            (words["left"], str(stood.left if begun else count), ""),
        ]
        if stood.phase in ("running", "pausing"):
            rate = stood.shots_per_h
            value = words["unknown"] if rate is None else f"{rate:.0f}"
            figures.append((words["rate"], value, words["rate_note"]))
            figures.append((words["time_left"], *self._time_left(stood)))
        return [{"name": n, "value": v, "note": note} for n, v, note in figures]

    def _time_left(self, stood: BatchState) -> tuple[str, str]:
        words, eta = self.session.words(self.part), stood.eta
        if eta.eta_s is None or eta.low_s is None or eta.high_s is None:
            waits = eta.waiting_for
            heavy = [n for n in waits if n in ("faces", "upscale+grade")] or list(waits)
            note = words["not_measured"].format(stage=self._label(heavy[-1])) if heavy else ""
            return words["unknown"], note
        low, high = self._duration(eta.low_s), self._duration(eta.high_s)
        notes = [] if low == high else [words["range"].format(low=low, high=high)]
        if eta.waiting_for:
            stages = words["comma"].join(map(self._label, eta.waiting_for))
            notes.append(words["without"].format(stages=stages))
        return "≈ " + self._duration(eta.eta_s), words["comma"].join(notes)

    def _duration(self, seconds: float) -> str:
        words = self.session.words(self.part)
        if seconds < 90:
            return words["seconds"].format(n=round(seconds))
        minutes = round(seconds / 60)
        if minutes < 90:
            return words["minutes"].format(n=minutes)
        return words["hours"].format(h=minutes // 60, m=minutes % 60)

    def _label(self, stage: str) -> str:
        return self.session.words(self.part).get(f"stage.{stage}", stage)

    def _stage(self, stage: StageState, stood: BatchState) -> dict[str, Any]:
        over = stage.begun and (stage.done >= stage.total or stage.name != stood.stage)
        now = bool(stood.stage) and stage.name == stood.stage
        return {
            "name": stage.name,
            "label": self._label(stage.name),
            "done": stage.done,
            "total": stage.total,
            "is": "over" if over and not now else "now" if now else "ahead",
        }

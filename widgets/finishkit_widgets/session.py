"""One episode on one desk: what is selected, flagged, tuned and locked. Widgets only watch it."""

from functools import cached_property
from pathlib import Path
from typing import Any

import traitlets

from finishkit import batch as batches
from finishkit.errors import FinishError
from finishkit.flags import Flag, Mark, load_flags, save_flags
from finishkit.measure import Measurements
from finishkit.preview import Preview, open_preview
from finishkit.preview.thumbnails import Thumbnails
from finishkit.progress import Progress
from finishkit.report import Report
from finishkit.shots import Episode
from finishkit.template import Draft, Template
from finishkit.verdict import ShotVerdict, Verdict
from finishkit_widgets.before_locking import LockSummary, before_locking
from finishkit_widgets.parts import Parts
from finishkit_widgets.pins import MOST_PINS, Pin, first_pins
from finishkit_widgets.texts import LANGUAGES, system_language, words
from finishkit_widgets.tuning import Tuning


def open_session(
    episode: str | Path,
    out: str | Path = "runs",
    *,
    template: str | Path = "",
    genre: str = "baseline",
    language: str = "",
    report: Report | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> "Session":
    """Open an episode: check it, measure what was not measured yet, and lay it on the desk.

    Parameters
    ----------
    episode : str or Path
        The folder of its clips.
    out : str or Path, optional
        Results go to ``out/<episode>``; what was measured there is not measured again.
    template : str or Path, optional
        The file that Lock writes; ``out/<genre>.toml`` by default. When it is there already and
        locked, it is opened, read-only.
    genre : str, optional
        Where to start tuning; see :func:`finishkit.template.genres`.
    language : {'en', 'zh'}, optional
        Of the widgets; this machine's by default.
    report : Report, optional
        Of :func:`finishkit.measure_episode`: what it checked is not checked again.
    jobs : int, optional
        Worker processes; the number of processors by default.
    progress : Progress, optional
        Told of every clip.

    Returns
    -------
    session : Session

    Raises
    ------
    FinishError
        What :func:`finishkit.preview.open_preview` raises, and for a template that was edited
        after it was locked.
    """
    preview = open_preview(episode, out, report=report, jobs=jobs, progress=progress)
    path = Path(template) if template else Path(out) / f"{genre}.toml"
    session = Session(preview, out, path=path, draft=Draft.from_genre(genre), language=language)
    if path.is_file():
        session.open_template(path)
    return session


class Session(Parts, Tuning):
    """What a creator is doing with an episode. Everything a widget does is a method here.

    Widgets read and observe; they change nothing but through these methods, so that whatever is
    clicked can be written down as a line of Python, and the other way round.

    Parameters
    ----------
    preview : Preview
        The episode, measured and judged.
    out : str or Path, optional
        Results lie in ``out/<episode>``.
    path : str or Path, optional
        The file that Lock writes.
    draft : Draft, optional
        Where to start; the baseline by default.
    language : {'en', 'zh'}, optional
        Of the widgets; this machine's by default.

    Attributes
    ----------
    selected : str
        The shot everything shows; set it with :meth:`select`.
    frame : int
        Index of the frame of it.
    flags : dict of str to Flag
        What a person said of shots.
    pins : tuple of Pin
        Frames that stay in sight while a look is tuned.
    finished : int
        How many shots of the last run stand, as far as a monitor has seen.
    language : {'en', 'zh'}

    Raises
    ------
    TypeError
        For a keyword it does not have.
    """

    selected = traitlets.Unicode()
    frame = traitlets.Int(0)
    flags = traitlets.Dict(value_trait=traitlets.Instance(Flag), key_trait=traitlets.Unicode())
    pins = traitlets.Tuple()
    finished = traitlets.Int(0)
    language = traitlets.Enum(LANGUAGES, "en")

    def __init__(
        self,
        preview: Preview,
        out: str | Path = "runs",
        *,
        path: str | Path = "template.toml",
        draft: Draft | None = None,
        language: str = "",
    ) -> None:
        self.preview = preview
        self.folder = (Path(out) / preview.episode.name).resolve()
        draft = draft or Draft()
        if draft.look.hero not in [shot.id for shot in preview.episode]:
            draft.set("hero", preview.verdict.hero)
        hero = draft.look.hero
        self._seen: set[str] = {hero}
        super().__init__(
            draft,
            path=Path(path),
            selected=hero,
            frame=preview.frame_count(hero) // 2,
            flags=load_flags(self.folder),
            pins=first_pins(preview.measurements),
            language=language or system_language(),
        )

    # What there is

    @property
    def episode(self) -> Episode:
        """The episode, without the clips that could not be read."""
        return self.preview.episode

    @cached_property
    def thumbnails(self) -> Thumbnails:
        """Small pictures of the shots, read once for all widgets."""
        counts = {str(shot.id): self.preview.frame_count(shot.id) for shot in self.episode}
        return Thumbnails(self.episode, counts, self.folder / "work" / "thumbs")

    @property
    def measurements(self) -> Measurements:
        """What was measured."""
        return self.preview.measurements

    @property
    def verdict(self) -> Verdict:
        """How the shots were judged, before any finishing."""
        return self.preview.verdict

    @property
    def judged(self) -> ShotVerdict:
        """The verdict on the selected shot."""
        return self.verdict[self.selected]

    def words(self, part: str) -> dict[str, str]:
        """Return the words of a widget in the session's language."""
        return words(part, self.language)

    # Where we are

    def select(self, shot: str, frame: int | None = None) -> None:
        """Show a shot everywhere.

        Parameters
        ----------
        shot : str
            Its id.
        frame : int, optional
            Index of the frame; the middle by default.

        Raises
        ------
        FinishError
            ``no_such_shot`` or ``no_such_frame``.
        """
        count = self.preview.frame_count(self.episode[shot].id)
        at = count // 2 if frame is None else frame
        if not 0 <= at < count:
            raise FinishError(
                f"{shot} has frames 0 to {count - 1}, not {at}. Choose one of them.",
                "no_such_frame",
            )
        with self.hold_trait_notifications():
            self.selected, self.frame = shot, at

    def step(self, shots: int = 1) -> None:
        """Go on by so many shots in the cut, back when negative; the ends hold."""
        order = [judged.shot for judged in self.verdict.shots]
        at = order.index(self.selected) + shots
        self.select(order[min(len(order) - 1, max(0, at))])

    def next_flagged(self, forward: bool = True) -> None:
        """Go to the next shot that needs somebody; stay when there is none.

        Parameters
        ----------
        forward : bool, optional
            False: to the one before.
        """
        order = [judged.shot for judged in self.verdict.shots]
        at = order.index(self.selected)
        rest = order[at + 1 :] if forward else order[:at][::-1]
        for shot in rest:
            if self.needs_someone(shot):
                return self.select(shot)
        return None

    def mark(self, shot: str) -> Mark:
        """Return what a person said of a shot; empty: nothing."""
        return self.flags.get(shot, Flag()).mark

    def needs_someone(self, shot: str) -> bool:
        """Whether a shot is flagged by the verdict or by a person, and was not accepted."""
        mark = self.mark(shot)
        return mark == "regenerate" or (mark != "accept" and self.verdict[shot].action != "ok")

    def pin(self, shot: str = "", frame: int | None = None) -> None:
        """Keep a frame in sight while tuning; of :data:`MOST_PINS` the oldest makes room.

        Parameters
        ----------
        shot : str, optional
            The selected one by default.
        frame : int, optional
            The frame shown by default.
        """
        name = self.episode[shot or self.selected].id
        at = self.frame if frame is None else frame
        kept = [pin for pin in self.pins if (pin.shot, pin.frame) != (name, at)]
        self.pins = (*kept[-MOST_PINS + 1 :], Pin(shot=name, frame=at))

    def unpin(self, shot: str, frame: int) -> None:
        """Let a frame go.

        Parameters
        ----------
        shot : str
            Its id.
        frame : int
            Index of the pinned frame.
        """
        self.pins = tuple(pin for pin in self.pins if (pin.shot, pin.frame) != (shot, frame))

    # What is tuned, see Tuning

    def choose_hero(self, shot: str) -> None:
        """Tune on this shot: it is shown, and its scene is matched to it."""
        name = self.episode[shot].id
        self._refuse_when_locked()
        self.select(name)
        self.set("hero", name)

    def open_template(self, path: str | Path) -> Template:
        """Open a locked template, read-only.

        Parameters
        ----------
        path : str or Path
            Of the file.

        Raises
        ------
        FinishError
            When it is not locked, or was edited after it was.
        """
        return self._open(Path(path), [shot.id for shot in self.episode], self.verdict.hero)

    def before_locking(self, path: str | Path | None = None) -> LockSummary:
        """Return what :meth:`lock` would write, and what speaks against it.

        Parameters
        ----------
        path : str or Path, optional
            As for :meth:`lock`.
        """
        target = Path(path or self.path).expanduser()
        return before_locking(self, target, len(self._seen))

    @traitlets.observe("look", "selected")
    def _count_seen(self, change: Any) -> None:
        # Only a change of what is seen makes looking again necessary; a new hero does as well.
        if change["name"] == "look":
            self._seen = set()
        self._seen.add(self.selected)

    # What a person says of a shot

    def flag(self, shot: str = "", mark: Mark = "regenerate", note: str | None = None) -> None:
        """Say of a shot that it must be regenerated, or is accepted as it is.

        Parameters
        ----------
        shot : str, optional
            The selected one by default.
        mark : {'regenerate', 'accept', ''}, optional
            Empty takes the mark away and keeps the note.
        note : str, optional
            For whoever regenerates it; the note it has, by default.

        Raises
        ------
        FinishError
            ``no_such_shot`` or ``bad_flag``.
        """
        name = self.episode[shot or self.selected].id
        if mark not in ("regenerate", "accept", ""):
            raise FinishError(f"A flag is regenerate or accept, not {mark!r}.", "bad_flag")
        kept = self.flags.get(name, Flag()).note if note is None else note.strip()
        if len(kept) > 500:
            raise FinishError("A note has at most 500 characters.", "bad_flag")
        flags = {**self.flags, name: Flag(mark=mark, note=kept)}
        if not mark and not kept:
            flags.pop(name)
        save_flags(self.folder, flags)
        self.flags = flags

    def unflag(self, shot: str = "") -> None:
        """Take a person's flag and note away; the verdict stays."""
        self.flag(shot, "", "")

    # From template to master

    def finish(self, *, jobs: int | None = None) -> "batches.BatchProcess":
        """Start finishing the episode with the locked template, in a process of its own.

        It goes on when the page, or this kernel, is closed; :meth:`batch` shows how it stands.

        Parameters
        ----------
        jobs : int, optional
            Worker processes; the number of processors by default.

        Raises
        ------
        FinishError
            ``not_locked``, or ``locked`` when the episode is being worked on already.
        """
        if self.template is None:
            raise FinishError(
                "Lock the template first: an episode is finished with settings that cannot change"
                " under way.",
                "not_locked",
            )
        return batches.start_batch([self.episode.root], self.path, self.folder.parent, jobs=jobs)

    def pause(self) -> None:
        """Let the shots under way be finished, and start no other; :meth:`finish` goes on."""
        batches.request_pause(self.folder)

    @property
    def report_path(self) -> Path:
        """The report of the episode; it is there after a measurement, and new after a run."""
        return self.folder / "report.html"

    def __repr__(self) -> str:
        return f"Session({self.episode.name}: {len(self.episode)} shots, {self.mode})"

"""Where a creator begins: choose a folder, see the episode."""

import html
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets

from finishkit.batch import shipped
from finishkit.progress import Event, Pace, Progress, duration_text
from finishkit_widgets.behaviour import WellBehaved, error_html
from finishkit_widgets.session import Session, open_session
from finishkit_widgets.surroundings import Surroundings
from finishkit_widgets.texts import system_language, words

CLIPS = (".mp4", ".mov", ".mkv", ".webm")
MOST_FOLDERS = 200
"""Looked into for clips: a choice, not a search of the disk."""
EPISODE_VARIABLE, OUT_VARIABLE = "FINISHKIT_EPISODE", "FINISHKIT_OUT"
"""Set by ``finishkit lab EPISODE``, so that the notebooks open on it and are not edited for it."""


def opened_on() -> str:
    """Return the folder ``finishkit lab`` was started on; empty: none."""
    return os.environ.get(EPISODE_VARIABLE, "")


def episode_folder(chosen: str = "") -> Path:
    """Return the episode a notebook is about.

    Parameters
    ----------
    chosen : str, optional
        The notebook's parameter. Empty: what ``finishkit lab`` was started on, else the sample.
    """
    return Path(chosen or opened_on() or shipped("sample_shots/ep01"))


def out_folder(chosen: str = "") -> Path:
    """Return where a notebook's results go.

    Parameters
    ----------
    chosen : str, optional
        The notebook's parameter. Empty: what ``finishkit lab`` was told, else ``runs`` beside the
        folder of the notebooks.
    """
    return Path(chosen or os.environ.get(OUT_VARIABLE, "") or "../runs").resolve()


class Start(WellBehaved, ipywidgets.VBox):
    """Choose a folder of clips; it is checked and measured, and the whole app appears below.

    Parameters
    ----------
    episode : str or Path, optional
        Opened at once; empty: a person chooses.
    out : str or Path, optional
        Results go to ``out/<episode>``.
    root : str or Path, optional
        Looked through for folders of clips; the folder above the notebooks by default.
    language : {'en', 'zh'}, optional
        This machine's by default.

    Attributes
    ----------
    session : Session or None
        What was opened: the same in Python.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    """

    def __init__(
        self,
        episode: str | Path = "",
        out: str | Path = "../runs",
        *,
        root: str | Path = "..",
        language: str = "",
        **keywords: Any,
    ) -> None:
        self.session: Session | None = None
        self._out, self._language = Path(out), language or system_language()
        self._words = words("start", self._language)
        self.notice = ipywidgets.HTML()
        self._said = ipywidgets.HTML()
        self._said.add_class("fk-start-said")
        found = list(found_episodes(Path(root)))
        wide = ipywidgets.Layout(width="auto", flex="1 1 320px")
        self._found = ipywidgets.Dropdown(
            options=[
                (self._words["clips"].format(name=folder.name, count=count), str(folder))
                for folder, count in found
            ],
            layout=wide,
        )
        self._path = ipywidgets.Text(
            value=str(found[0][0]) if found else "", layout=wide, continuous_update=False
        )
        self._path.add_class("fk-start-path")
        self._open = ipywidgets.Button(description=self._words["open"], button_style="primary")
        self._open.add_class("fk-start-open")
        self._place = ipywidgets.VBox()
        self._choice = ipywidgets.VBox(self._controls(bool(found)))
        super().__init__(
            children=(self._choice, self._said, self.notice, self._place, Surroundings()),
            **keywords,
        )
        for name in ("fk", "fk-panel", "fk-start"):
            self.add_class(name)
        self._found.observe(self._on_found, names="value")
        self._open.on_click(lambda _: self.choose(self._path.value))
        if str(episode):
            self.choose(episode)

    def choose(self, episode: str | Path) -> Session | None:
        """Open a folder of clips, and show it: what the button does.

        Parameters
        ----------
        episode : str or Path
            The folder.

        Returns
        -------
        session : Session or None
            None when it could not be opened; the widget says why.
        """
        self.notice.value = ""
        self._open.disabled = True
        try:
            session = open_session(
                Path(episode).expanduser(),
                self._out,
                language=self._language,
                progress=Progress(_Line(self._said, self._words)),
            )
            self._place.children = (session.app(),)
        except Exception as error:
            self.notice.value = error_html(error, self._language)
            return None
        finally:
            self._open.disabled = False
        self.session = session
        self._choice.layout.display = "none"
        said = self._words["opened"].format(name=session.episode.name, out=session.folder)
        self._said.value = f'<p class="fk-quiet">{html.escape(said)}</p>'
        return session

    def still_html(self) -> str:
        """Return the open episode's pictures, or the question."""
        if self.session is None:
            return f"<p>{html.escape(self._words['explain'])}</p>"
        return "".join(part.still_html() for part in self._place.children)

    def _controls(self, any_found: bool) -> list[ipywidgets.Widget]:
        said = self._words
        title = ipywidgets.HTML(
            f"<h3>{html.escape(said['title'])}</h3><p>{html.escape(said['explain'])}</p>"
        )
        where = ipywidgets.HBox([self._path, self._open], layout={"flex_flow": "row wrap"})
        named: list[ipywidgets.Widget] = [_row(said["folder"], where)]
        if any_found:
            named.insert(0, _row(said["found"], self._found))
        else:
            named.insert(0, ipywidgets.HTML(f"<p>{html.escape(said['none_found'])}</p>"))
        return [title, *named]

    def _on_found(self, change: Any) -> None:
        self._path.value = change["new"]


class _Line:
    """A sink for :class:`finishkit.Progress`: one line with a bar, overwritten."""

    def __init__(self, place: ipywidgets.HTML, said: dict[str, str]) -> None:
        self._place, self._words = place, said
        self._pace, self._last_s = Pace(), 0.0

    def __call__(self, event: Event) -> None:
        """Take one event and show where things stand."""
        if event.kind == "stage":
            self._pace = Pace()
            self._pace.update(0)
        elif event.kind not in ("shot", "skip"):
            return
        self._pace.update(event.done)
        now_s = time.monotonic()
        # Every update is a message to the page; more than ten a second nobody sees.
        if event.done < event.total and now_s - self._last_s < 0.1:
            return
        self._last_s = now_s
        eta_s = self._pace.eta_s(event.total) if event.done else None
        left = self._words["left"].format(time=duration_text(eta_s)) if eta_s else ""
        stage = self._words.get(f"stage_{event.stage}", event.stage)
        said = html.escape(
            self._words["opening"].format(
                stage=stage, done=event.done, total=event.total, left=left
            )
        )
        self._place.value = (
            f'<p role="status">{said}<br><progress max="{event.total}" value="{event.done}"'
            f' aria-label="{html.escape(stage, quote=True)}"></progress></p>'
        )


def found_episodes(root: Path) -> Iterator[tuple[Path, int]]:
    """Yield folders of clips below a folder, with the number of clips, nearest first.

    Parameters
    ----------
    root : Path
        Four levels are looked into, of at most :data:`MOST_FOLDERS` folders; hidden folders and
        those finishkit writes itself are left out.
    """
    level, looked = [root.resolve()], 0
    for _ in range(4):
        below: list[Path] = []
        for folder in level:
            looked += 1
            if looked > MOST_FOLDERS:
                return
            try:
                inside = sorted(folder.iterdir())
            except OSError:
                continue
            count = sum(p.suffix.lower() in CLIPS and p.is_file() for p in inside)
            if count:
                yield folder, count
            elif not (folder / "manifest.json").exists():
                below += [p for p in inside if p.is_dir() and not p.name.startswith(".")]
        level = below


def _row(name: str, control: ipywidgets.Widget) -> ipywidgets.HBox:
    said = ipywidgets.HTML(
        f'<span class="fk-row-name">{html.escape(name)}</span>', layout={"width": "104px"}
    )
    row = ipywidgets.HBox([said, control])
    row.add_class("fk-row")
    return row

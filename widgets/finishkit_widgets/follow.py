"""The picture that takes longer: asked for behind every quick one, and shown in its place."""

import html
from collections.abc import Callable, Mapping

import ipywidgets

from finishkit.preview import Job, Preview, Refined
from finishkit.report import solved_stages
from finishkit.template import Draft
from finishkit_widgets.compare import Compare

REST_S = 0.3
"""So long a slider must rest before what takes seconds is begun."""


class Follow(ipywidgets.VBox):
    """A line that says what is under way, and a tick box that turns it off.

    Parameters
    ----------
    preview : Preview
        Makes the pictures.
    compare : Compare
        Shows them.
    words : mapping of str to str
        The tuner's.
    on : bool
        Whether the box is ticked.
    on_tick : callable
        Called when a person ticks or clears it.
    """

    def __init__(
        self,
        preview: Preview,
        compare: Compare,
        words: Mapping[str, str],
        on: bool,
        on_tick: Callable[[], None],
    ) -> None:
        self._preview, self._shown, self._words = preview, compare, words
        self._job: Job[Refined] | None = None
        self.state = ipywidgets.HTML()
        self.box = ipywidgets.Checkbox(value=on, description=words["follow"], indent=False)
        self.box.observe(lambda _: on_tick(), names="value")
        super().__init__(children=(self.state, self.box))
        self.add_class("fk-follow")

    def ask(self, shot: str, draft: Draft, index: int) -> None:
        """Call off what was asked for before, and ask for this when the box is ticked.

        Parameters
        ----------
        shot : str
            Its id.
        draft : Draft
            As it stands.
        index : int
            Of the frame.
        """
        if self._job is not None:
            self._job.cancel()
            self._job = None
        if not self.box.value:
            self.state.value = ""
            return
        self._say(self._words["follow_busy"])
        self._job = self._preview.refine(shot, draft, index, self._swap, rest_s=REST_S)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the picture that was asked for.

        Parameters
        ----------
        timeout_s : float, optional
            For ever by default.

        Returns
        -------
        over : bool
            False when the time ran out.
        """
        return self._job is None or self._job.wait(timeout_s)

    def _swap(self, result: Refined | Exception) -> None:
        # In the thread: nobody hears what is raised here.
        if isinstance(result, Exception):
            self._say(self._words["follow_failed"].format(why=result))
            return
        self._shown.show(result.before, result.after)
        lines = [f"{s.title}: {s.line}" for s in solved_stages(result.notes) if s.line]
        solved = "; ".join(lines) or self._words["follow_nothing"]
        self._say(self._words["follow_done"].format(solved=solved))

    def _say(self, text: str) -> None:
        self.state.value = f'<span class="fk-quiet">{html.escape(text)}</span>'

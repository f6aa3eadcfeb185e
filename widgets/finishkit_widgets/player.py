"""The selected shot, before and after, playing."""

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

from finishkit.flags import Flag
from finishkit.preview.halves import After, Pair, make_before, make_pair
from finishkit.preview.newest import Job, Newest
from finishkit.preview.proxy import Proxies, Proxy
from finishkit_widgets.badges import BADGES
from finishkit_widgets.behaviour import FrontEnd
from finishkit_widgets.front import css, esm
from finishkit_widgets.keymap import merged
from finishkit_widgets.pictures import jpeg_bytes
from finishkit_widgets.player_pictures import (
    cut,
    finished_with,
    pair_html,
    part_round,
    png_bytes,
)
from finishkit_widgets.safe_zones import bands, load_safe_zones

if TYPE_CHECKING:
    from finishkit_widgets.session import Session

MODES = ("wipe", "side", "before", "after", "difference")
PATIENCE_S = 0.3
"""A clip is not made before a slider has rested for so long."""


class Player(FrontEnd):
    r"""The selected shot before and after: playing, paused on a frame, and at 1:1.

    It follows what the session shows, and makes nothing before somebody looks (:meth:`attend`).
    The source's frame comes at once, then both, then a clip. Nothing plays until a person
    presses play.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    mode : {'wipe', 'side', 'before', 'after', 'difference'}
    position : float
        Share of the picture that shows "before" under the wipe, in [0, 1].
    after : {'draft', 'finished'}
        What the other half shows; see :meth:`compare_with`.
    zone : str
        Id of the safe zone that is drawn; empty: none.
    phone, loupe, loop : bool
    keymap : dict of str to sequence of str
        Keys by action, for those that shall have others; see
        :data:`finishkit_widgets.keymap.KEYMAP`.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    FinishError
        ``bad_keymap`` or ``bad_safe_zones``.
    """

    part = "player"
    acts = ("select", "step", "next_flagged", "flag", "unflag", "attend", "magnify", "compare_with")
    _esm = esm("player")
    _css = css("player")

    shot = traitlets.Unicode().tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)
    frame_count = traitlets.Int(0).tag(sync=True)
    rate_fps = traitlets.Float(24.0).tag(sync=True)
    verdict = traitlets.Dict().tag(sync=True)
    still = traitlets.Dict().tag(sync=True)
    still_before = traitlets.Bytes().tag(sync=True)
    still_after = traitlets.Bytes().tag(sync=True)
    clip_info = traitlets.Dict().tag(sync=True)
    clip = traitlets.Bytes().tag(sync=True)
    making = traitlets.Int(-1).tag(sync=True)
    stale = traitlets.Bool(False).tag(sync=True)
    after = traitlets.Enum(("draft", "finished"), "draft").tag(sync=True)
    finished = traitlets.Enum(("", "this", "other"), "").tag(sync=True)
    loupe_info = traitlets.Dict().tag(sync=True)
    loupe_before = traitlets.Bytes().tag(sync=True)
    loupe_after = traitlets.Bytes().tag(sync=True)
    zones = traitlets.List(traitlets.Dict()).tag(sync=True)

    mode = traitlets.Enum(MODES, "wipe").tag(sync=True)
    position = traitlets.Float(0.5).tag(sync=True)
    zone = traitlets.Unicode("").tag(sync=True)
    phone = traitlets.Bool(False).tag(sync=True)
    loupe = traitlets.Bool(False).tag(sync=True)
    loop = traitlets.Bool(True).tag(sync=True)
    keymap = traitlets.Dict().tag(sync=True)

    def __init__(self, session: "Session", **keywords: Any) -> None:
        self._proxies = Proxies(session.preview)
        self._stills: Newest[Pair] = Newest()
        self._wholes: Newest[Pair] = Newest()
        self._jobs: dict[str, Job[Any]] = {}
        self._pair: Pair | None = None
        self._whole: tuple[object, Pair] | None = None
        self._attended = False
        self._chosen: After | None = None
        super().__init__(session, **keywords)
        self.watch("selected", lambda _: self._show())
        self.watch("frame", self._on_frame)
        self.watch("look", self._on_look)
        self.watch(("template", "mode", "finished"), lambda _: self.refresh())
        self.watch("flags", lambda _: self.set_trait("verdict", self._said()))
        self._show()

    @traitlets.validate("position")
    def _within(self, proposal: dict[str, Any]) -> float:
        return min(1.0, max(0.0, proposal["value"]))

    @traitlets.default("zones")
    def _zones(self) -> list[dict[str, Any]]:
        session = self.session
        folders = [session.episode.root.parent, session.folder.parent, session.folder]
        return [bands(zone) for zone in load_safe_zones(folders)]

    @traitlets.default("keymap")
    def _usual_keys(self) -> dict[str, list[str]]:
        return merged({})

    @traitlets.validate("keymap")
    def _known_keys(self, proposal: dict[str, Any]) -> dict[str, list[str]]:
        return merged(proposal["value"])

    # What a person or a script does

    def attend(self) -> None:
        """Begin to make pictures; the front end asks for it when it is shown."""
        if not self._attended:
            self._attended = True
            self._show()

    def compare_with(self, after: After) -> None:
        """Show the draft or the finished shot beside the source, from now on.

        Parameters
        ----------
        after : {'draft', 'finished'}
            The choice holds for every shot that has a finished file.
        """
        self._chosen = after
        self._show()

    def refresh(self) -> None:
        """Look again whether finished shots stand on the disk."""
        self._show()

    def magnify(self, x: float, y: float) -> None:
        """Send the pixels round a point at full size.

        Parameters
        ----------
        x, y : float
            The point, as shares of the picture's width and height, in [0, 1].
        """
        key = (self.session.selected, self.session.frame, self.after, self._made_of())
        if self._whole is not None and self._whole[0] == key:
            return self._send_loupe(self._whole[1], x, y)
        shot, look, index, path = key[0], self.session.look, key[1], self._path()

        def work(_go_on: Any) -> Pair:
            return make_pair(self.session.preview, shot, look, index, finished=path, whole=True)

        def done(result: Pair | Exception) -> None:
            if isinstance(result, Exception):
                return self.say_error(result)
            self._whole = (key, result)
            return self._send_loupe(result, x, y)

        self._jobs["loupe"] = self._wholes.start(Job(work, done))
        return None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is being made.

        Parameters
        ----------
        timeout_s : float, optional
            For each picture; for ever by default.

        Returns
        -------
        over : bool
            False when the time ran out.
        """
        return all(job.wait(timeout_s) for job in list(self._jobs.values()))

    def close(self) -> None:
        """Call off what is being made, stop watching the session, take the view away."""
        for job in self._jobs.values():
            job.cancel()
        super().close()

    def summary(self) -> str:
        """Return what is shown, in a sentence or two."""
        said, words = self.verdict, self.words
        shown = words["summary"].format(
            shot=self.shot,
            verdict=words[said["action"]],
            frame=self.frame + 1,
            count=self.frame_count,
            after=words[f"after_{self.after}"],
        )
        return " ".join([shown, *said["reasons"], *said["unknown"]])

    def still_html(self) -> str:
        """Return the frame before and after, side by side, and the verdict."""
        pair = self._pair
        if pair is None or (pair.shot, pair.index, pair.after) != (
            self.shot,
            self.frame,
            self.after,
        ):
            pair = self._pair = make_pair(
                self.session.preview,
                self.shot,
                self.session.look,
                self.frame,
                finished=self._path(),
            )
        labels = self.words["before"], self.words[f"after_{pair.after}"]
        badge = BADGES[self.session.judged.action]
        said = f"{badge.shape} {self.summary()}"
        return f"<div>{pair_html(pair, labels)}<p>{html.escape(said)}</p></div>"

    # Following the session

    def _on_frame(self, _change: Any) -> None:
        if self.session.selected != self.shot or self.session.frame == self.frame:
            return
        self.frame = self.session.frame
        if not self.clip or self.stale:
            self._ask_still()

    def _on_look(self, _change: Any) -> None:
        if self.after == "draft":
            self._show(patience_s=PATIENCE_S)

    def _show(self, patience_s: float = 0.0) -> None:
        """Show the session's shot: a clip that is kept, else what there is until one is made."""
        session, shot = self.session, self.session.selected
        same_shot = shot == self.shot
        with self.hold_sync():
            self.shot, self.frame = shot, session.frame
            self.frame_count = session.preview.frame_count(shot)
            self.rate_fps = float(session.measurements[shot].rate_fps)
            self.verdict = self._said()
            was, (self.after, self.finished) = self.after, self._choice()
            self.loupe_info, self.loupe_before, self.loupe_after = {}, b"", b""
            if not (same_shot and was == self.after):
                self._drop()
            kept = self._proxies.kept(shot, session.look, self._path())
            if kept is not None:
                self._cancel()
                self._take(kept)
        if kept is None and self._attended:
            self.stale = bool(self.clip)
            self._ask_still()
            self._ask_clip(patience_s)

    def _drop(self) -> None:
        self.clip_info, self.clip, self.stale = {}, b"", False
        self.still, self.still_before, self.still_after = {}, b"", b""

    def _choice(self) -> tuple[After, str]:
        path = self._finished_file()
        if not path.is_file():
            return "draft", ""
        template = self.session.template
        same = template is not None and finished_with(self.session.folder) == template.sha256
        return self._chosen or ("finished" if same else "draft"), "this" if same else "other"

    def _finished_file(self) -> Path:
        return self.session.folder / "shots" / f"{self.session.selected}.mp4"

    def _path(self) -> Path | None:
        return self._finished_file() if self.after == "finished" else None

    def _made_of(self) -> object:
        look = self.session.look
        return (
            None if self.after == "finished" else (look.grade, look.sharpen, look.grain, look.hero)
        )

    def _said(self) -> dict[str, Any]:
        judged = self.session.judged
        badge, flag = BADGES[judged.action], self.session.flags.get(judged.shot, Flag())
        return {
            "action": judged.action,
            "shape": badge.shape,
            "letter": badge.letter,
            "hook": judged.hook,
            "reasons": [reason.text for reason in judged.reasons],
            "unknown": list(judged.unknown),
            "mark": flag.mark,
            "note": flag.note,
        }

    # What comes from a thread

    def _cancel(self) -> None:
        for job in self._jobs.values():
            job.cancel()
        self.making = -1

    def _ask_still(self) -> None:
        if not self._attended:
            return
        session, shot, index = self.session, self.session.selected, self.session.frame
        look, path = session.look, self._path()
        nothing_yet = not self.still and not self.clip

        def work(go_on: Any) -> Pair:
            if nothing_yet:
                before = make_before(session.preview, shot, look, index, path)
                go_on()
                with self.hold_sync():
                    self.still_before, self.still_after = jpeg_bytes(before), b""
                    self.still = {"shot": shot, "frame": index, "after": ""}
            return make_pair(session.preview, shot, look, index, finished=path)

        self._jobs["still"] = self._stills.start(Job(work, self._on_still))

    def _on_still(self, result: Pair | Exception) -> None:
        if isinstance(result, Exception):
            return self.say_error(result)
        self._pair = result
        with self.hold_sync():
            self.still_before = jpeg_bytes(result.before_picture)
            self.still_after = jpeg_bytes(result.after_picture)
            self.still = {"shot": result.shot, "frame": result.index, "after": result.after}
        return None

    def _ask_clip(self, patience_s: float) -> None:
        session, shot = self.session, self.session.selected
        self.making = 0

        def progress(done: int, total: int) -> None:
            share = 100 * done // max(total, 1)
            # A message a frame would be as much traffic as the clip.
            if share >= self.making + 5 and self.session.selected == shot:
                self.making = share

        self._jobs["clip"] = self._proxies.start(
            shot,
            session.look,
            self._path(),
            self._on_clip,
            progress,
            patience_s=patience_s,
            first=self._jobs.get("still"),
        )

    def _on_clip(self, result: Proxy | Exception) -> None:
        if isinstance(result, Exception):
            self.making = -1
            return self.say_error(result)
        with self.hold_sync():
            self._take(result)
        return None

    def _take(self, proxy: Proxy) -> None:
        self.clip_info = {
            "shot": proxy.shot,
            "after": proxy.after,
            "frames": proxy.frame_count,
            "fps": float(proxy.rate_fps),
            "width": proxy.width_px,
            "height": proxy.height_px,
            "stride": proxy.stride_px,
        }
        self.clip, self.making, self.stale = proxy.data, -1, False

    def _send_loupe(self, pair: Pair, x: float, y: float) -> None:
        box, size = part_round(pair, x, y)
        with self.hold_sync():
            self.loupe_before = png_bytes(cut(pair.before_picture, box))
            self.loupe_after = png_bytes(cut(pair.after_picture, box))
            self.loupe_info = {
                "shot": pair.shot,
                "frame": pair.index,
                "kind": "master" if pair.after == "finished" else "source",
                "box": list(box),
                "size": list(size),
            }

"""Enlarge every shot to the master's size: a net, a Lanczos kernel, or a blend of both."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.brought import own_sha256, require_same_net
from finishkit.frames import Frames
from finishkit.measure.classes import HD_SHORT_PX
from finishkit.models.reference import reference_upscaler
from finishkit.models.shared import upscaler
from finishkit.settings import UpscaleSettings
from finishkit.shots import ShotId
from finishkit.stages import DeviceFilter, Notes, ShotInput

Fit = Literal["crop", "pad"]
Picture = NDArray[np.float32]

CROP_MARGIN_PX = 18
"""Source pixels kept round the part that will be seen, so that the net's border is cut away."""

COLOUR_SIGMA_PX = 4.0
"""Structure coarser than this (source pixels) keeps the source's light and colour.

``realesr-animevideov3`` turns pink skin beige: on three shots of people, 404x720 to 1080x1920,
blurred light and colour moved by Delta E 1.0 to 1.4 in the mean and 1.9 to 2.5 at the 95th
percentile, that is by as much as separates neighbouring shots (facts 3: 2.3). With this
correction 0.1 and 0.2 to 0.3.
"""

FAKE_HD_R = 0.54
"""Effective over nominal resolution at or below which a shot of HD size is halved before the net.

Two of 35 generated clips at their own size measure less, and nine in ten of the same clips enlarged
by two (the distribution that sets ``Limits.soft_r``). Halving is for speed, a quarter of the cost:
five clips brought down to 0.4, 0.5, 0.6 and up again came back from the net 1.5, 0.9 and 2.1 dB
nearer to the truth whole than halved, and three quarters lay between, always. So smaller files,
which cost little, are never halved.
"""


def resize(picture: Picture, size_px: tuple[int, int]) -> Picture:
    """Resize one picture: by area when it shrinks, by Lanczos (8 taps) when it grows.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype float32
        In [0, 1].
    size_px : (int, int)
        Width and height.

    Returns
    -------
    resized : ndarray, shape (height, width, 3), dtype float32
        In [0, 1]: the kernel's overshoot is clipped.
    """
    resized = _resized(picture, size_px, None)
    return np.clip(resized, 0, 1, out=resized)


def shrinks(size_px: tuple[int, int], out_px: tuple[int, int]) -> bool:
    """Say whether a resize grows neither side: then it averages over areas."""
    return out_px[0] <= size_px[0] and out_px[1] <= size_px[1]


def _resized(picture: Picture, size_px: tuple[int, int], room: Picture | None) -> Picture:
    """Resize without clipping; into ``room`` of an earlier call, whose memory is known already."""
    height, width = picture.shape[:2]
    if room is None or room.shape != (size_px[1], size_px[0], 3):
        room = np.empty((size_px[1], size_px[0], 3), np.float32)
    if (width, height) == size_px:
        room[:] = picture
        return room
    way = cv2.INTER_AREA if shrinks((width, height), size_px) else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(picture, size_px, dst=room, interpolation=way), np.float32)


def recoloured(picture: Picture, answer: Picture, given: Picture) -> Picture:
    """Give an enlarged picture the light and colour of what the net was given.

    The nets move skin towards yellow (measured: see :data:`COLOUR_SIGMA_PX`). What their answer,
    averaged back to the source's size, differs from the source by is blurred and added, so that
    only structure finer than the blur is the net's.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype float32
        The answer at the wanted size.
    answer : ndarray, shape (k h', k w', 3), dtype float32
        What the net gave.
    given : ndarray, shape (h', w', 3), dtype float32
        What it was given.

    Returns
    -------
    recoloured : ndarray, shape (h, w, 3), dtype float32
        In [0, 1].
    """
    small = cv2.resize(answer, given.shape[1::-1], interpolation=cv2.INTER_AREA)
    lost = cv2.GaussianBlur(given - small, (0, 0), COLOUR_SIGMA_PX)
    added = cv2.resize(lost, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    # In place: a new picture at the master's size costs as much as the sum written into it.
    summed = np.add(picture, added, out=np.asarray(added, np.float32))
    return np.clip(summed, 0, 1, out=summed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How a source fills a master of another shape without being stretched.

    Attributes
    ----------
    window_px : tuple of int
        Left, top, right, bottom of the part of the source that is used, centred.
    inner_px : tuple of int
        Width and height to which that part is enlarged.
    scale : float
        Enlargement, the same both ways up to rounding the inner size to whole pixels.
    """

    window_px: tuple[int, int, int, int]
    inner_px: tuple[int, int]
    scale: float


def framing(source_px: tuple[int, int], out_px: tuple[int, int], fit: Fit) -> Framing:
    """Work out what is cut away or padded.

    Parameters
    ----------
    source_px, out_px : (int, int)
        Width and height.
    fit : {'crop', 'pad'}
        Fill the master and cut what sticks out, or show all and pad with black.

    Returns
    -------
    framing : Framing
    """
    (w, h), (out_w, out_h) = source_px, out_px
    pick = max if fit == "crop" else min
    scale = pick(out_w / w, out_h / h)
    # The same number of pixels is dropped on both sides, so that the centre stays the centre.
    x = max(0, math.floor((w - out_w / scale) / 2) - CROP_MARGIN_PX)
    y = max(0, math.floor((h - out_h / scale) / 2) - CROP_MARGIN_PX)
    inner = (max(1, round((w - 2 * x) * scale)), max(1, round((h - 2 * y) * scale)))
    return Framing(window_px=(x, y, w - x, h - y), inner_px=inner, scale=scale)


def _place(inner: Picture, into: Picture) -> None:
    """Centre a picture in a master: cut what sticks out, leave black what is not covered."""
    (out_h, out_w), (h, w) = into.shape[:2], inner.shape[:2]
    left, top = (w - out_w) // 2, (h - out_h) // 2
    cut = inner[max(top, 0) : max(top, 0) + out_h, max(left, 0) : max(left, 0) + out_w]
    y, x = max(-top, 0), max(-left, 0)
    if cut.shape != into.shape:
        into[:] = 0
    # The kernels overshoot. Clipped on the way, since a pass over a 4K picture costs as much as
    # resizing it does.
    np.clip(cut, 0, 1, out=into[y : y + cut.shape[0], x : x + cut.shape[1]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Upscale:
    """Enlarge one shot.

    ``strength = 0`` (or ``model = "lanczos"``) is a plain Lanczos enlargement, which keeps the
    pictures as they are when they have the master's size already. No net is asked where nothing
    is enlarged.

    Attributes
    ----------
    model : str
        A net of :func:`finishkit.models.own.card_of`, or ``lanczos``.
    strength : float
        Share of the net in the blend with Lanczos, in [0, 1].
    tile_px : int
    out_px : tuple of int
        Width and height of the master.
    fit : {'crop', 'pad'}
    input_scale : float
        1, or 0.5 where the shot holds no detail above half its size (:data:`FAKE_HD_R`).
    model_sha256 : str
        Of a net of the user's; empty for one that finishkit pins.
    engine : {'finishkit', 'reference'}
        ``reference``: the net as its own package runs it.
    gpu_memory_gb : float
        Most GPU memory for all processes that render; 0: what there is.
    """

    model: str
    strength: float
    tile_px: int
    out_px: tuple[int, int]
    fit: Fit
    input_scale: float = 1.0
    model_sha256: str = ""
    engine: Literal["finishkit", "reference"] = "finishkit"
    gpu_memory_gb: float = 0.0

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield the frames at the master's size; a chunk a chunk, one picture at a time.

        Notes ``upscale.scale`` (enlargement), ``upscale.strength`` (share of the net that was
        used) and ``upscale.input_scale``.
        """
        room: Picture | None = None
        for chunk in frames:
            pictures = chunk.as_float()
            out = np.empty((len(chunk), self.out_px[1], self.out_px[0], 3), np.float32)
            h, w = pictures.shape[1:3]
            plan, share = self.planned((w, h), notes)
            left, top, right, bottom = plan.window_px
            for picture, into in zip(pictures, out, strict=True):
                window = picture[top:bottom, left:right]
                if share < 1:
                    room = _resized(window, plan.inner_px, room)
                enlarged = self._netted(window, plan.inner_px, room, share) if share else room
                assert enlarged is not None
                _place(enlarged, into)
            yield chunk.with_data(out)

    def planned(self, source_px: tuple[int, int], notes: Notes) -> tuple[Framing, float]:
        """Return how a source is framed and the net's share in it; note both."""
        plan = framing(source_px, self.out_px, self.fit)
        share = 0.0 if self.model == "lanczos" or plan.scale <= 1 else self.strength
        notes["upscale.scale"] = plan.scale
        notes["upscale.strength"] = share
        notes["upscale.input_scale"] = self.input_scale if share else 1.0
        return plan, share

    def given_px(self, window_px: tuple[int, int]) -> tuple[int, int]:
        """Return the size (width, height) at which the net is given a window of that size."""
        w, h = window_px
        return max(1, round(w * self.input_scale)), max(1, round(h * self.input_scale))

    @property
    def asks_a_net(self) -> bool:
        """Whether a net of ours may be asked, and so a GPU be used."""
        return self.model != "lanczos" and self.strength > 0 and self.engine == "finishkit"

    def on_device(self, device: str, notes: Notes) -> DeviceFilter:
        """Return the same treatment for frames on a device."""
        from finishkit.stages.device_twins import UpscaleOnDevice

        return UpscaleOnDevice(self, device, notes)

    def _netted(
        self, window: Picture, inner_px: tuple[int, int], plain: Picture | None, share: float
    ) -> Picture:
        """Return the net's enlargement, or its blend with the plain one."""
        given = resize(window, self.given_px((window.shape[1], window.shape[0])))
        if self.engine == "reference":
            net = reference_upscaler(self.model, self.tile_px, self.model_sha256)
        else:
            net = upscaler(self.model, self.tile_px, self.model_sha256, self.gpu_memory_gb)
        answer = net(given[None])[0]
        at_size = answer if answer.shape[1::-1] == inner_px else resize(answer, inner_px)
        drawn = recoloured(at_size, answer, given)
        if plain is None or share == 1:
            return drawn
        np.clip(plain, 0, 1, out=plain)
        drawn -= plain
        drawn *= np.float32(share)
        drawn += plain
        return drawn


class UpscaleStage:
    """Enlarge the set to the master's size with one net and one strength."""

    name = "upscale"
    version = 3

    def fit(
        self,
        shots: Sequence[ShotInput],
        settings: UpscaleSettings,
        *,
        out_size_px: tuple[int, int],
        fit_mode: Fit = "crop",
    ) -> Mapping[ShotId, Upscale]:
        """Return a filter a shot.

        Parameters
        ----------
        shots : sequence of ShotInput
            ``measured["eff_r"]`` decides whether a shot is halved first (:data:`FAKE_HD_R`).
        settings : UpscaleSettings
            One for all.
        out_size_px : (int, int)
            Width and height of the master.
        fit_mode : {'crop', 'pad'}
            What to do with a source of another shape. Nothing is ever stretched.

        Returns
        -------
        filters : Mapping of ShotId to Upscale

        Raises
        ------
        FinishError
            ``weights_changed`` when a net of the user's is not the template's any more.
        """
        require_same_net(settings.model, settings.model_sha256)
        common: dict[str, Any] = {
            "model": settings.model,
            "strength": settings.strength,
            "tile_px": settings.tile_px,
            "engine": settings.engine,
            "gpu_memory_gb": settings.gpu_memory_gb,
            "model_sha256": own_sha256(settings.model),
            "out_px": out_size_px,
            "fit": fit_mode,
        }
        netted = within_budget(shots, settings.net_budget_mpx)
        draft = {**common, "strength": 0.0}
        return {
            shot.id: Upscale(
                **(common if shot.id in netted else draft), input_scale=_input_scale(shot)
            )
            for shot in shots
        }


def within_budget(shots: Sequence[ShotInput], budget_mpx: float) -> frozenset[ShotId]:
    """Return the shots that the net is spent on.

    Scene by scene in cut order, the hook's first, and never a part of a scene: two shots that cut
    against each other are enlarged alike.

    Parameters
    ----------
    shots : sequence of ShotInput
        In cut order.
    budget_mpx : float
        Megapixels, frames times their size, that the net may be given; 0: all there are.

    Returns
    -------
    netted : frozenset of ShotId
    """
    if budget_mpx == 0:
        return frozenset(shot.id for shot in shots)
    scenes: dict[str, list[ShotInput]] = {}
    for shot in shots:
        scenes.setdefault(shot.scene, []).append(shot)
    netted: set[ShotId] = set()
    left_mpx = budget_mpx
    for members in scenes.values():
        left_mpx -= sum(
            s.probe.width_px * s.probe.height_px * s.probe.frame_count / 1e6 for s in members
        )
        if left_mpx < 0:
            break
        netted |= {s.id for s in members}
    return frozenset(netted)


def _input_scale(shot: ShotInput) -> float:
    eff_r = shot.measured.get("eff_r")
    is_hd = min(shot.probe.width_px, shot.probe.height_px) >= HD_SHORT_PX
    return 0.5 if is_hd and eff_r is not None and eff_r <= FAKE_HD_R else 1.0

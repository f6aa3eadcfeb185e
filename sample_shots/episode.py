"""The episode: who, where, how each shot is filmed, and which faults are planted in it."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sample_shots.camera import FRAME_COUNT, Light, Move, Take, film
from sample_shots.faults import Fault, is_copy
from sample_shots.people import Look

_WARPS = json.loads((Path(__file__).parent / "warps.json").read_text(encoding="utf-8"))
_TONES = {
    "skin": (0.66, 0.50, 0.40),
    "hair": (0.16, 0.13, 0.12),
    "hair_contrast": 1.3,
    "suit": (0.022, 0.088, 0.46),
}

MIA = Look()
ADA = Look(warp=_WARPS["ada"], mirrored=True, **_TONES)
STRANGER = Look(warp=_WARPS["stranger"])
"""MIA's hair and suit on another face: what a generator does when it loses the character."""

CAST = {"MIA": MIA, "ADA": ADA}

DAY = Light(
    key=(1.25, 1.15, 0.98),
    fill=(0.62, 0.55, 0.46),
    gain=(1.04, 1.0, 0.90),
    contrast=1.05,
    rim=(0.25, 0.20, 0.12),
)
NIGHT = Light(
    key=(0.66, 0.62, 0.71),
    fill=(0.30, 0.36, 0.52),
    gain=(0.95, 1.0, 1.1),
    contrast=1.08,
    saturation=1.0,
    rim=(0.5, 0.36, 0.2),
)
ROOM = Light(
    key=(1.0, 1.0, 1.0),
    fill=(0.62, 0.63, 0.65),
    contrast=1.03,
    saturation=0.95,
    rim=(0.15, 0.15, 0.15),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotPlan:
    """One row of the shot list.

    Attributes
    ----------
    shot, scene, prompt : str
    characters : tuple of str
    take : Take
    fault : Fault or None
        What is done to the finished pictures.
    """

    shot: str
    scene: str
    characters: tuple[str, ...]
    prompt: str
    take: Take
    fault: Fault | None = None


def _shot(
    number: int,
    scene: str,
    plate: str,
    light: Light,
    move: Move,
    prompt: str,
    *,
    who: str = "",
    look: Look | None = None,
    blink_frame: int = -10,
    trim: tuple[float, float, float] = (1, 1, 1),
    vivid: float = 1.0,
    lens_px: float = 0.0,
    fault: Fault | None = None,
) -> ShotPlan:
    take = Take(
        plate=plate,
        light=light,
        move=move,
        seed=4100 + 37 * number,
        look=look or CAST.get(who),
        blink_frame=blink_frame,
        trim=trim,
        vivid=vivid,
        lens_px=lens_px,
    )
    return ShotPlan(
        shot=f"s01e01_shot_{number:03d}",
        scene=scene,
        characters=(who,) if who else (),
        prompt=prompt,
        take=take,
        fault=fault,
    )


SHOTS = (
    _shot(
        1, "quarters", "quarters", DAY,
        Move(zoom=(0.90, 0.98), face_x=(0.45, 0.47), face_y=(0.375, 0.37)),
        "close-up, MIA in an orange launch suit, sunlit crew quarters, slow push in, 9:16",
        who="MIA", blink_frame=29, fault=Fault(kind="soft", amount=0.45),
    ),
    _shot(
        2, "quarters", "quarters", DAY,
        Move(zoom=(0.96, 0.92), face_x=(0.54, 0.53), face_y=(0.37, 0.375)),
        "close-up, ADA in a blue launch suit turns to MIA, window behind her, morning sun, 9:16",
        who="ADA", blink_frame=12,
    ),
    _shot(
        3, "quarters", "coffee", DAY,
        Move(zoom=(0.64, 0.69), face_x=(0.50, 0.47), face_y=(0.52, 0.50), sway_px=1.2),
        "insert, a red coffee cup left on a wooden table, warm light, nobody in frame, 9:16",
        trim=(1.06, 1.03, 1.0),
    ),
    _shot(
        4, "quarters", "quarters", DAY,
        Move(zoom=(0.95, 0.95), face_x=(0.42, 0.50), face_y=(0.37, 0.37)),
        "close-up, MIA smiles but says nothing, camera drifts right, sunlit crew quarters, 9:16",
        who="MIA", blink_frame=20,
    ),
    _shot(
        5, "quarters", "quarters", DAY,
        Move(zoom=(0.92, 1.0), face_x=(0.55, 0.53), face_y=(0.375, 0.37)),
        "close-up, ADA: you could still say no, slow push in, warm interior, 9:16",
        who="ADA", blink_frame=33, fault=Fault(kind="white_balance", amount=0.35),
    ),
    _shot(
        6, "pad", "rocket", NIGHT,
        Move(zoom=(0.62, 0.66), face_x=(0.5, 0.48), face_y=(0.50, 0.47), sway_px=1.2),
        "wide, the rocket on its pad after sunset, floodlights, slow push in, 9:16",
        trim=(0.68, 0.66, 0.84), vivid=1.2, lens_px=0.58,
    ),
    _shot(
        7, "pad", "pad", NIGHT,
        Move(zoom=(0.8, 0.84), face_x=(0.43, 0.46), face_y=(0.385, 0.38)),
        "close-up, MIA at night before the launch pad, cool light, lamps out of focus, 9:16",
        who="MIA", blink_frame=9,
    ),
    _shot(
        8, "pad", "pad", NIGHT,
        Move(zoom=(0.85, 0.8), face_x=(0.55, 0.54), face_y=(0.38, 0.385)),
        "close-up, ADA at night, the rocket behind her, she looks up, 9:16",
        who="ADA", blink_frame=25, fault=Fault(kind="flicker", amount=0.04, seed=88),
    ),
    _shot(
        9, "pad", "pad", NIGHT,
        Move(zoom=(0.79, 0.85), face_x=(0.45, 0.47), face_y=(0.385, 0.38)),
        "close-up, MIA: it was never yours to take, push in, night, 9:16",
        who="MIA", look=STRANGER, blink_frame=36, fault=Fault(kind="identity"),
    ),
    _shot(
        10, "pad", "pad", NIGHT,
        Move(zoom=(0.82, 0.82), face_x=(0.57, 0.51), face_y=(0.38, 0.38)),
        "close-up, ADA keeps smiling, camera drifts left, launch pad at night, 9:16",
        who="ADA", blink_frame=15,
    ),
    _shot(
        11, "briefing", "briefing", ROOM,
        Move(zoom=(1.0, 1.06), face_x=(0.44, 0.46), face_y=(0.375, 0.375)),
        "close-up, MIA in a grey briefing room, star field on the screen, neutral light, 9:16",
        who="MIA", blink_frame=27,
    ),
    _shot(
        12, "briefing", "briefing", ROOM,
        Move(zoom=(1.05, 1.0), face_x=(0.55, 0.54), face_y=(0.375, 0.375)),
        "close-up, ADA in the briefing room: one of us flies, pull back, 9:16",
        who="ADA", blink_frame=8, fault=Fault(kind="exposure", amount=-0.7),
    ),
    _shot(
        13, "briefing", "briefing", ROOM,
        Move(zoom=(1.02, 1.04), face_x=(0.38, 0.56), face_y=(0.375, 0.375), sway_px=2.0),
        "close-up, MIA walks along the screen, camera follows, briefing room, 9:16",
        who="MIA", blink_frame=22, fault=Fault(kind="repeated_frames", amount=4),
    ),
    _shot(
        14, "briefing", "briefing", ROOM,
        Move(zoom=(1.0, 1.08), face_x=(0.55, 0.53), face_y=(0.375, 0.375)),
        "close-up, ADA: then it is you, slow push in, briefing room, end of episode, 9:16",
        who="ADA", blink_frame=31,
    ),
)  # fmt: skip

_STUDIO = Light(key=(1.02, 1.0, 0.98), fill=(0.86, 0.86, 0.87), rim=(0.1, 0.1, 0.1))


def _portraits(who: str) -> dict[str, Take]:
    lights = (("briefing", _STUDIO), ("quarters", DAY), ("briefing", ROOM))
    return {
        f"{who.lower()}_{i}.jpg": Take(
            plate=plate,
            light=light,
            move=Move(zoom=(1.12, 1.12), face_x=(0.5, 0.5), face_y=(0.36, 0.36), sway_px=0.0),
            seed=9000 + 10 * i + len(who),
            look=CAST[who],
        )
        for i, (plate, light) in enumerate(lights, start=1)
    }


PORTRAITS = {**_portraits("ADA"), **_portraits("MIA")}
"""The reference images of the cast, by file name."""


def portrait(take: Take) -> NDArray[np.uint8]:
    """Return a reference image, shape (576, 432, 3), uint8 R'G'B': a frame's upper part, doubled.

    Doubled because face detectors want 80 px of face, and a portrait is looked at large.
    """
    upper = film(take, 1)[0, :288]
    doubled = cv2.resize(upper, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return np.round(np.clip(doubled, 0, 1) * 255).astype(np.uint8)


def truth_rows(plan: ShotPlan) -> list[tuple[str, str, str, str, str, str]]:
    """Return the rows of ``planted.csv`` for a shot.

    Parameters
    ----------
    plan : ShotPlan
        A row of the shot list.

    Returns
    -------
    rows : list of (shot, fault, metric, params, frames, truth)
        One a metric that moves; ``truth`` in the units of that metric where the fault fixes it:
        octaves, stops, share of frames; for ``flick_g`` the standard deviation of the gain, for
        ``eff_r`` the most that can be left, for ``id_dist`` the least distance to be found.
    """
    if plan.fault is None:
        return []
    amount = plan.fault.amount
    copies = [i for i in range(FRAME_COUNT) if plan.fault.kind == "repeated_frames"
              and is_copy(plan.fault, i)]  # fmt: skip
    share = f"{len(copies) / (FRAME_COUNT - 1):.4f}"
    found = {
        "soft": [("eff_r", f"scale={amount}", f"{amount}")],
        "white_balance": [
            ("wb_r", f"red_oct={amount:+}", f"{amount:+}"),
            ("wb_b", f"blue_oct={-amount:+}", f"{-amount:+}"),
        ],
        "exposure": [("ev", f"stops={amount:+}", f"{amount:+}")],
        "flicker": [("flick_g", f"gain_sd={amount};seed={plan.fault.seed}", f"{amount}")],
        "repeated_frames": [("dup_ratio", f"every={int(amount)}", share)],
        "identity": [("id_dist", "face=stranger", "0.52")],
    }[plan.fault.kind]
    frames = " ".join(map(str, copies)) or "all"
    return [(plan.shot, plan.fault.kind, m, p, frames, t) for m, p, t in found]

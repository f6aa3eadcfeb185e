"""What a night would take, in lines for a terminal."""

import os
from collections.abc import Sequence

from finishkit.disk import size_text
from finishkit.night import Night


def together(nights: Sequence[Night], at_once: int = 1) -> tuple[float, float]:
    """Return how long episodes take together, seconds: at best and at worst.

    Side by side they share the processors: what is won is only what one episode leaves idle, so
    nothing is reckoned with, at best as long as the longest alone.

    Parameters
    ----------
    nights : sequence of Night
        From :func:`plan_nights`.
    at_once : int, optional
        Episodes side by side.
    """
    low, high = sum(n.low_s for n in nights), sum(n.high_s for n in nights)
    cores = os.cpu_count() or 1
    spare = max(1.0, min(at_once, len(nights), cores / max(n.workers for n in nights)))
    return max(low / spare, max(n.low_s for n in nights)), high


def night_lines(nights: Sequence[Night], clock_text: str = "", *, at_once: int = 1) -> str:
    """Return plans as a few lines for a terminal.

    Parameters
    ----------
    nights : sequence of Night
        One an episode.
    clock_text : str, optional
        When it would be done.
    at_once : int, optional
        Episodes side by side.
    """
    lines = []
    for night in nights:
        lines.append(
            f"{night.episode}: {night.shots} shots, {night.frames} frames to"
            f" {night.width_px}x{night.height_px}, {night.workers} workers"
        )
        if night.standing:
            lines.append(
                f"  {night.standing} of them stand finished from an earlier run and are not"
                " reckoned; with another template they would be made anew"
            )
        lines += [
            f"  {stage.name:<16} {_range(stage.low_s, stage.high_s):>18}  {stage.shots} shots"
            for stage in night.stages
        ]
        lines.append(f"  {'together':<16} {_range(night.low_s, night.high_s):>18}")
        lines.append(_disk_line([night]))
        lines.append(f"  memory           about {size_text(night.memory_bytes)}")
        if night.gpu:
            lines.append(f"  GPU              {night.gpu}")
        lines += [
            f"  net              {net.name}, may be sold: {net.commercial}. {net.licence}"
            for net in night.nets
        ] or ["  net              none"]
    if len(nights) > 1:
        low_s, high_s = together(nights, at_once)
        side = f", {at_once} side by side" if at_once > 1 else ""
        lines.append(f"All {len(nights)} episodes{side}: {sum(n.shots for n in nights)} shots")
        lines.append(f"  {'together':<16} {_range(low_s, high_s):>18}")
        lines += [
            _disk_line([n for n in nights if n.out == out])
            for out in sorted({n.out for n in nights})
        ]
        memory = sum(sorted((n.memory_bytes for n in nights), reverse=True)[:at_once])
        lines.append(f"  memory           about {size_text(memory)}")
    if clock_text:
        lines.append(clock_text)
    return "\n".join(lines)


def _disk_line(nights: Sequence[Night]) -> str:
    need, free = sum(n.disk_bytes for n in nights), min(n.free_bytes for n in nights)
    short = "" if need < free else "  NOT ENOUGH"
    return (
        f"  disk             {size_text(need)} for shots and master, {size_text(free)} free{short}"
    )


def _range(low_s: float, high_s: float) -> str:
    if high_s < 90:
        return f"{low_s:.0f} to {high_s:.0f} s"
    if high_s < 5400:
        return f"{low_s / 60:.0f} to {high_s / 60:.0f} min"
    return f"{low_s / 3600:.1f} to {high_s / 3600:.1f} h"

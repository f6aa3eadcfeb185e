"""Whether a night's files fit on the disk: reckoned from pixel counts before the first shot."""

import resource
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from finishkit.errors import FinishError
from finishkit.ingest import Index, indices
from finishkit.manifest import Manifest
from finishkit.shots import Episode
from finishkit.store import Store
from finishkit.template import Look

BETWEEN_BYTES_PX = 1.1
"""Of a file between two passes, lossless 10-bit 4:4:4, for a pixel of the source. Measured on real
footage: 0.77 to 1.10 on the mean of an episode, up to 1.75 for one file."""
SOME = 0.25
"""Share of the shots that a stage is taken to touch which looks first whether it must (deflicker,
stabilise); measured on two episodes of real footage: 0 and 0.07."""
MASTER_BYTES_PX = 0.06
"""Of a finished shot at CRF 16, for a pixel of the master; x264 halves it every 6 steps. Measured
on real footage: 0.020 to 0.048 on the mean of an episode, 0.054 at most for one shot."""
GRAIN = 1.6
"""So many times the bytes where grain is kept, see :func:`finishkit.frames.master_encoding`."""
DELIVERY = ("delivery/", "work/delivery_")
"""How the names of delivery files begin, see :mod:`finishkit.deliver`."""
OPEN_FILES, LEAST_OPEN_FILES = 1024, 256
REPORT_BYTES, SHOT_BYTES = 4 * 2**20, 300 * 2**10
"""Report, notebook and logs of an episode, and what is kept of each shot's measurements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskNeed:
    """What the files of an episode will take on a disk.

    Attributes
    ----------
    between_bytes : int
        What lies between passes; ``finishkit clean`` frees it when the episode is finished.
    kept_bytes : int
        Shots, master and report.
    standing_bytes : int
        Of both, what stands from an earlier run.
    """

    between_bytes: int
    kept_bytes: int
    standing_bytes: int = 0

    @property
    def bytes(self) -> int:
        """What is still to be written."""
        return max(0, self.between_bytes + self.kept_bytes - self.standing_bytes)


def disk_need(episode: Episode, look: Look, folder: Path) -> DiskNeed:
    """Reckon what finishing an episode writes, in a second: no picture is decoded.

    Parameters
    ----------
    episode : Episode
        A clip whose index cannot be read, or promises the absurd, counts nothing: it will be
        quarantined.
    look : Look
        Or a template.
    folder : Path
        The episode's output folder; it may not exist yet.
    """
    clips = list(indices(episode).values())
    rate = _master_rate(look, clips)
    master = look.master
    a_frame = MASTER_BYTES_PX * 2 ** ((16 - master.crf) / 6) * master.width_px * master.height_px
    if look.grain.strength > 0:
        a_frame *= GRAIN
    between = finals = 0.0
    for clip in clips:
        pixels = clip.width_px * clip.height_px
        whole = pixels * clip.frame_count * BETWEEN_BYTES_PX
        between += whole * (look.faces.strength > 0)
        between += whole * SOME * ((look.deflicker.strength > 0) + (look.stabilise.strength > 0))
        shown = clip.frame_count
        if abs(clip.rate_fps - rate) > Fraction(1, 100):
            shown = round(float(clip.frame_count * rate / clip.rate_fps))
            between += pixels * shown * BETWEEN_BYTES_PX
        finals += shown * a_frame
    # The master is a second copy of the finished shots.
    kept = 2 * finals + REPORT_BYTES + SHOT_BYTES * len(episode)
    return DiskNeed(
        between_bytes=round(between), kept_bytes=round(kept), standing_bytes=_standing(folder)
    )


def _master_rate(look: Look, clips: list[Index]) -> Fraction:
    if look.master.rate_fps != "source":
        return Fraction(look.master.rate_fps)
    rates = Counter(clip.rate_fps for clip in clips).most_common(1)
    return rates[0][0] if rates else Fraction(24)


def _standing(folder: Path) -> int:
    # Delivery files are no part of a night: what stands of them saves it nothing.
    entries = {n: e for n, e in _recorded(folder).entries.items() if not n.startswith(DELIVERY)}
    return sum(e.bytes for n, e in entries.items() if (folder / n).is_file())


def _recorded(folder: Path) -> Manifest:
    if not (folder / "manifest.json").is_file():
        return Manifest()
    try:
        return Store(folder).manifest()
    except FinishError:
        return Manifest()


def free_bytes(folder: Path) -> int:
    """Return what the disk of a folder has free for its user, before the folder is made.

    Parameters
    ----------
    folder : Path
        It may not exist yet.
    """
    return shutil.disk_usage(_existing(folder)).free


def _existing(folder: Path) -> Path:
    folder = folder.resolve()
    return next(p for p in (folder, *folder.parents) if p.exists())


def require_disk(work: Iterable[tuple[Episode, Look, Path]]) -> None:
    """Raise before the first shot when a night does not fit on a disk.

    Parameters
    ----------
    work : iterable of (Episode, Look, Path)
        Episode, template and output folder; folders of one disk are added up.

    Raises
    ------
    FinishError
        ``disk_full``, with the bytes that are needed and those that are there.
    """
    needs: dict[int, int] = {}
    places: dict[int, Path] = {}
    for episode, look, folder in work:
        place = _existing(folder)
        disk = place.stat().st_dev
        places.setdefault(disk, place)
        needs[disk] = needs.get(disk, 0) + disk_need(episode, look, folder).bytes
    for disk, need in needs.items():
        free = free_bytes(places[disk])
        if need > free:
            raise FinishError(
                f"The disk of {places[disk]} has {size_text(free)} free, and the night needs about"
                f" {size_text(need)} ({need} bytes). Free some space (finishkit clean FOLDER frees"
                " what lies between the passes of finished episodes), choose another --out"
                " folder, or go without this check by --no-disk-check.",
                "disk_full",
            )


def require_open_files() -> None:
    """Raise the number of files this process may open, or refuse when it is too low for a run.

    A run opens about 60 at once with two workers; a limit that is met in the middle shows up as
    clips that cannot be read.

    Raises
    ------
    FinishError
        ``too_many_files``.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
        if wanted < LEAST_OPEN_FILES:
            raise FinishError(
                f"This process may open {hard} files only, and a run needs {LEAST_OPEN_FILES}."
                " Raise the limit (ulimit -n 1024) and run the same command again.",
                "too_many_files",
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def size_text(count: int) -> str:
    """Return a number of bytes as people say it: ``640 KiB``, ``3 MiB``, ``1.2 GiB``.

    Parameters
    ----------
    count : int
        Not negative.
    """
    if count >= 2**30:
        return f"{count / 2**30:.1f} GiB"
    return f"{count / 2**20:.0f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"

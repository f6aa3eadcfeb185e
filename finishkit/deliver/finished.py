"""What stands finished in a folder, and may be delivered."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from finishkit.errors import FinishError
from finishkit.manifest import Manifest
from finishkit.store import Store

MASTER = "master.mp4"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedShot:
    """One shot of the master.

    Attributes
    ----------
    shot : str
    path : Path
    sha256 : str
        Of its bytes, as recorded when it was finished.
    bytes : int
    frame_count : int
    """

    shot: str
    path: Path
    sha256: str
    bytes: int
    frame_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedEpisode:
    """An episode that was finished to its end.

    Attributes
    ----------
    name : str
    folder : Path
        Its output folder.
    shots : tuple of FinishedShot
        In cut order, as in the master.
    rate_fps : Fraction
    master : Path
    master_sha256 : str
    left_out : tuple of (str, str)
        Quarantined shots with their reasons: the master does not have them either.
    regenerate : tuple of str
        Shots that are delivered, and that the report asks to generate again.
    """

    name: str
    folder: Path
    shots: tuple[FinishedShot, ...]
    rate_fps: Fraction
    master: Path
    master_sha256: str
    left_out: tuple[tuple[str, str], ...] = ()
    regenerate: tuple[str, ...] = ()

    @property
    def frame_count(self) -> int:
        """Frames of all shots."""
        return sum(shot.frame_count for shot in self.shots)

    @property
    def duration_s(self) -> float:
        """Of all shots, seconds."""
        return float(self.frame_count / self.rate_fps)


def finished_episode(folder: Path) -> FinishedEpisode:
    """Read what a folder holds for delivery; no picture is decoded.

    Parameters
    ----------
    folder : Path
        An episode's output folder.

    Returns
    -------
    episode : FinishedEpisode

    Raises
    ------
    FinishError
        ``no_folder``, ``not_finished``, ``bad_manifest``.
    """
    manifest = _manifest(folder)
    name = manifest.episode or folder.name
    if manifest.exit_code == 1:
        raise _not_finished(folder, name, manifest)
    shots = tuple(_shot(folder, manifest, s) for s in manifest.planned if _is_finished(manifest, s))
    master = manifest.entries.get(MASTER)
    if master is None:
        raise _not_finished(folder, name, manifest)
    count = sum(shot.frame_count for shot in shots)
    if not shots or master.facts.get("frame_count") != count:
        raise FinishError(
            f"{name}: the master holds {master.facts.get('frame_count', 0)} frames, its finished"
            f" shots {count}: a shot was lost or damaged after it was joined. {_again(folder)}",
            "not_finished",
        )
    return FinishedEpisode(
        name=name,
        folder=folder,
        shots=shots,
        rate_fps=Fraction(master.facts["rate_fps"]),
        master=folder / MASTER,
        master_sha256=master.sha256,
        left_out=tuple(
            (shot, how.text)
            for shot in manifest.planned
            if (how := manifest.shots[shot]).state == "quarantined"
        ),
        regenerate=tuple(
            shot
            for shot in manifest.planned
            if (how := manifest.shots[shot]).state == "finished" and how.code
        ),
    )


def episodes_to_deliver(out: Path) -> tuple[list[Path], list[str]]:
    """Find the episodes that are finished, and say of the others why they are left.

    Parameters
    ----------
    out : Path
        One episode's output folder, or the OUT of a batch.

    Returns
    -------
    folders : list of Path
        At least one.
    others : list of str
        A sentence for each episode that is not finished.

    Raises
    ------
    FinishError
        ``no_folder`` when nothing was ever finished there; ``not_finished`` when nothing is yet.
    """
    if (out / "manifest.json").is_file():
        finished_episode(out)
        return [out], []
    inside = sorted(path.parent for path in out.glob("*/manifest.json"))
    if not inside:
        raise _no_episode(out)
    folders, others = [], []
    for folder in inside:
        try:
            finished_episode(folder)
        except FinishError as error:
            others.append(str(error))
        else:
            folders.append(folder)
    if not folders:
        raise FinishError(f"Nothing in {out} is finished yet. " + " ".join(others), "not_finished")
    return folders, others


def _manifest(folder: Path) -> Manifest:
    if not (folder / "manifest.json").is_file():
        raise _no_episode(folder)
    return Store(folder).manifest()


def _no_episode(folder: Path) -> FinishError:
    there = sorted(path.parent.name for path in folder.parent.glob("*/manifest.json"))
    known = f" {folder.parent} has: {', '.join(there)}." if there else ""
    what = "holds no finished episode" if folder.is_dir() else "does not exist"
    return FinishError(
        f"{folder} {what}.{known} Finish one first: finishkit batch EPISODE -t TEMPLATE.",
        "no_folder",
    )


def _is_finished(manifest: Manifest, shot: str) -> bool:
    how = manifest.shots.get(shot)
    return how is not None and how.state == "finished"


def _shot(folder: Path, manifest: Manifest, shot: str) -> FinishedShot:
    name = f"shots/{shot}.mp4"
    entry = manifest.entries.get(name)
    if entry is None:
        raise FinishError(
            f"{folder / name} has no record any more. {_again(folder)}", "not_finished"
        )
    return FinishedShot(
        shot=shot,
        path=folder / name,
        sha256=entry.sha256,
        bytes=entry.bytes,
        frame_count=entry.facts["frame_count"],
    )


def _not_finished(folder: Path, name: str, manifest: Manifest) -> FinishError:
    done = sum(_is_finished(manifest, shot) for shot in manifest.planned)
    whole = len(manifest.planned)
    if not whole:
        said = (
            "was measured, and not finished" if (folder / "report.json").is_file() else "is empty"
        )
    elif done == whole:
        said = "was stopped before its report"
    else:
        said = f"is not finished: {done} of {whole} shots are"
    return FinishError(f"{name} {said}. {_again(folder)}", "not_finished")


def _again(folder: Path) -> str:
    return f"Run the same finishkit finish or batch again, and then: finishkit deliver {folder}"

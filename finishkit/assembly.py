"""The master: finished shots joined, each checked before and after it was read."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from finishkit.artefact import Artefact
from finishkit.engines.step import check_video
from finishkit.errors import FinishError
from finishkit.frames import join_shots
from finishkit.shots import ShotId
from finishkit.store import Store, digest, require_unchanged

MASTER = "master.mp4"


def assemble_master(
    store: Store,
    artefacts: Mapping[ShotId, Artefact],
    files: Mapping[ShotId, Path],
    rate_fps: Fraction,
    versions: Any,
) -> None:
    """Join the finished shots; sound comes from the sources, cut to each shot's length.

    Parameters
    ----------
    store : Store
        Of the output folder; a master that was made from the same shots stands.
    artefacts : Mapping of ShotId to Artefact
        As they stand after the last pass.
    files : Mapping of ShotId to Path
        The finished shots, in cut order.
    rate_fps : Fraction
        Of every shot.
    versions : object
        What decides the bytes beside the shots, for the key.

    Raises
    ------
    FinishError
        ``changed`` when a shot or a source is no longer what it was; ``lost_frames``.
    """
    parts = [store.entry(str(p.relative_to(store.root))).sha256 for p in files.values()]
    key = digest("master", parts, rate_fps, versions)
    if store.current(MASTER, key) is not None:
        return
    sounds = [artefacts[shot].shot.path for shot in files]
    _require_unchanged(artefacts, files)
    count = join_shots(store.part(MASTER), list(files.values()), sounds, rate_fps=rate_fps)
    # Again: what was overwritten while it was read gave a master of two files.
    _require_unchanged(artefacts, files)
    due = sum(artefacts[shot].frame_count for shot in files)
    if count != due:
        raise FinishError(f"{MASTER}: {count} frames joined, {due} due.", "lost_frames")
    store.commit(
        MASTER,
        key=key,
        check=lambda path: check_video(path, count),
        facts={"frame_count": count, "rate_fps": str(rate_fps)},
    )


def _require_unchanged(artefacts: Mapping[ShotId, Artefact], files: Mapping[ShotId, Path]) -> None:
    for shot, path in files.items():
        require_unchanged(path, artefacts[shot].sha256)
        require_unchanged(artefacts[shot].shot.path, artefacts[shot].checked.sha256)

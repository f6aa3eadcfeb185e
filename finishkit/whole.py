"""An episode that was finished to its end stands as a whole: nothing of it is fitted again.

So the next run over a finished episode takes seconds, and what lay between its passes may be
cleaned away.
"""

from collections.abc import Mapping
from pathlib import Path

from finishkit.artefact import Artefact
from finishkit.manifest import Whole
from finishkit.report.model import Gate
from finishkit.shots import ShotId
from finishkit.store import Store


def whole_of(
    key: str, files: Mapping[ShotId, Path], artefacts: Mapping[ShotId, Artefact], root: Path
) -> Whole:
    """Return what must be known of an episode in order not to make it again.

    Parameters
    ----------
    key : str
        Digest of everything it was made from.
    files : Mapping of ShotId to Path
        The finished shots.
    artefacts : Mapping of ShotId to Artefact
        As they stand after the last pass.
    root : Path
        The output folder.
    """
    return Whole(
        key=key,
        shots={
            shot: {
                "output": str(path.relative_to(root)),
                "sha256": artefacts[shot].sha256,
                "notes": artefacts[shot].notes,
                "gates": [g.model_dump(mode="json") for g in artefacts[shot].gates],
            }
            for shot, path in files.items()
        },
    )


def stood_whole(
    store: Store, artefacts: Mapping[ShotId, Artefact], key: str
) -> dict[ShotId, Path] | None:
    """Return the files of an episode that an earlier run finished to its end, all unharmed.

    Parameters
    ----------
    store : Store
        Of its output folder; every finished byte is read.
    artefacts : Mapping of ShotId to Artefact
        The shots as they stand before the first pass; brought to where they stand after the last.
    key : str
        As for :func:`whole_of`.

    Returns
    -------
    files : dict of ShotId to Path, or None
        None: something is missing, harmed, or made from something else.
    """
    manifest = store.manifest()
    whole, entries = manifest.whole, manifest.entries
    if whole is None or whole.key != key or set(whole.shots) != set(artefacts):
        return None
    outputs = {ShotId(shot): told["output"] for shot, told in whole.shots.items()}
    for shot, output in outputs.items():
        entry = entries.get(output)
        if entry is None or entry.sha256 != whole.shots[shot]["sha256"]:
            return None
    if not all(store.unharmed(name) for name in ("master.mp4", *outputs.values())):
        return None
    for shot, artefact in artefacts.items():
        told, entry = whole.shots[shot], entries[outputs[shot]]
        artefact.notes |= told["notes"]
        artefact.gates += [Gate.model_validate(g) for g in told["gates"]]
        artefact.path, artefact.sha256 = store.path(outputs[shot]), entry.sha256
        artefact.frame_count = entry.facts["frame_count"]
        store.mark(shot, "finished")
    return {shot: store.path(outputs[shot]) for shot in artefacts}

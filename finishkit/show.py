"""The folder of a show: where episodes, reference pictures, templates and notebooks lie."""

import csv
import io
from pathlib import Path

from finishkit.batch import shipped
from finishkit.errors import FinishError
from finishkit.store import write_bytes

EPISODE = "ep01"
FOLDERS = (f"episodes/{EPISODE}/refs", "templates", "notebooks", "runs")

README = """# {name}

1. Put the clips of an episode into `episodes/ep01/`, one file a shot, in cut order by name. That
   is enough to begin. To say more, fill `shots_template.csv` there and call it `shots.csv`: a line
   a clip (shot, file, scene, characters); scenes and characters are what clips are compared by.
2. Put pictures of each character into `episodes/ep01/refs/`, and name them in `characters.csv`
   (ADA,refs/ada_1.jpg;refs/ada_2.jpg).
3. Open the notebooks on the episode, look, tune, and lock a template into `templates/`:

       finishkit lab episodes/ep01

4. Finish it, in the notebook or overnight:

       finishkit batch episodes/ep01 --template templates/{name}.toml --out runs

5. Read `runs/ep01/report.html`; generate again what it says no finish can save, replace those
   clips, and run step 4 once more: only what changed is made.

`finishkit pause runs/ep01` pauses a batch between two shots; step 4 goes on.
"""


def show_of(episode: Path) -> Path | None:
    """Return the show an episode lies in, laid out by :func:`init_show`; None: in none.

    Parameters
    ----------
    episode : Path
        The folder of its clips.
    """
    root = episode.resolve().parent.parent
    laid_out = episode.resolve().parent.name == "episodes" and (root / "notebooks").is_dir()
    return root if laid_out else None


def init_show(folder: Path) -> tuple[Path, ...]:
    """Lay out the folder of a show. What is there already is left alone.

    Parameters
    ----------
    folder : Path
        Made when missing.

    Returns
    -------
    made : tuple of Path
        What was missing and is there now, relative to ``folder``.

    Raises
    ------
    FinishError
        ``not_a_show`` for a folder that holds something else, ``write_failed``.
    """
    _refuse_other(folder)
    files = _files(folder.resolve().name)
    made = []
    for name in FOLDERS:
        if not (folder / name).is_dir():
            _make(folder / name)
            made.append(Path(name))
    for name, data in files.items():
        if not (folder / name).exists():
            write_bytes(folder / name, data)
            made.append(Path(name))
    return tuple(made)


def _refuse_other(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise FinishError(f"{folder} is a file. Choose a folder for the show.", "not_a_show")
    held = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
    ours = {"README.md", *(name.partition("/")[0] for name in FOLDERS)}
    strange = sorted(name for name in held - ours if not name.startswith("."))
    if strange and "episodes" not in held:
        raise FinishError(
            f"{folder} holds other things ({', '.join(strange[:3])}). Choose a new folder, such as"
            f" {folder / 'my_show'}.",
            "not_a_show",
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise FinishError(f"{folder} cannot be made: {error.strerror}.", "write_failed") from error


def _files(name: str) -> dict[str, bytes]:
    tables = {
        # Not shots.csv: a list without a line would hide the clips beside it.
        f"episodes/{EPISODE}/shots_template.csv": (
            "shot",
            "file",
            "scene",
            "characters",
            "prompt",
            "seed",
        ),
        f"episodes/{EPISODE}/characters.csv": ("character", "reference_images"),
    }
    books = sorted(shipped("notebooks").glob("*.ipynb"))
    return {
        "README.md": README.format(name=name).encode(),
        **{path: _head(columns) for path, columns in tables.items()},
        **{f"notebooks/{book.name}": book.read_bytes() for book in books},
    }


def _head(columns: tuple[str, ...]) -> bytes:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerow(columns)
    return table.getvalue().encode()

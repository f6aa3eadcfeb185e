"""The command line's verbs round a show: lay it out, open it in JupyterLab, pause its batch."""

from pathlib import Path
from typing import Annotated

import typer


def add_show_verbs(app: typer.Typer) -> None:
    """Add ``init``, ``lab`` and ``pause`` to the command line.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    for verb in (init, lab, pause):
        app.command()(verb)


def init(
    show: Annotated[Path, typer.Argument(help="The show's folder; made when missing.")],
) -> None:
    """Lay out the folder of a show: episodes, reference pictures, templates, notebooks, a README.

    Nothing that is there already is changed: run it again, and only what is missing is added.

    Then: put clips into SHOW/episodes/ep01 and open them with "finishkit lab SHOW/episodes/ep01".
    """
    from finishkit.show import init_show

    made = init_show(show)
    for name in made:
        typer.echo(f"made {show / name}")
    if not made:
        typer.echo(f"{show} has everything; nothing was changed.")
    typer.echo(f"Now put the clips into {show / 'episodes' / 'ep01'} and read {show / 'README.md'}")


def lab(
    episode: Annotated[
        str,
        typer.Argument(help="Folder of an episode's clips to open, or a notebook's file name."),
    ] = "",
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where your copies of the notebooks go; never overwritten. Default: the show's"
            " notebooks, else finishkit-notebooks."
        ),
    ] = None,
    notebook: Annotated[
        str, typer.Option(help="Notebook to open; where to start by default.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-O",
            help="Results of the notebooks go to OUT/<episode>. Default: the show's runs, else"
            " runs beside the notebooks.",
        ),
    ] = None,
) -> None:
    """Open JupyterLab on this machine alone, on your own copies of the notebooks.

    The server listens on 127.0.0.1 behind a token, and sees the notebooks' folder only.
    """
    from finishkit.lab import start_lab
    from finishkit.show import show_of

    if episode.endswith(".ipynb"):
        episode, notebook = "", notebook or episode
    show = show_of(Path(episode)) if episode else None
    if show is not None:
        folder, out = folder or show / "notebooks", out or show / "runs"
    folder = folder or Path("finishkit-notebooks")
    start_lab(folder, notebook, episode=Path(episode) if episode else None, out=out, say=_say)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def pause(
    folder: Annotated[Path, typer.Argument(help="The episode's output folder, OUT/<episode>.")],
) -> None:
    """Pause a running batch: the shots under way are finished, no other is begun.

    Run the batch again to go on; nothing is lost and nothing is made twice.
    """
    from finishkit.pause import request_pause

    request_pause(folder)
    typer.echo(
        f"{folder}: asked to pause. The shots under way are finished first; to go on, run the same"
        " batch again."
    )

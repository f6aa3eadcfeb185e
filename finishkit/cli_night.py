"""The command line's verbs of the night: batch it, plan it, and clean up after it."""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finishkit.cli_options import (
    EngineOption,
    FacesOption,
    JobsOption,
    JsonOption,
    NoDiskCheckOption,
    OutOption,
    TemplateOption,
)
from finishkit.progress import Event, Progress, Terminal

if TYPE_CHECKING:
    from finishkit.night import Night
    from finishkit.run_params import RunParams


def add_night_verbs(app: typer.Typer) -> None:
    """Add ``batch`` and ``clean`` to the command line.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    for verb in (batch, clean):
        app.command()(verb)


def batch(
    episodes: Annotated[list[Path], typer.Argument(help="Folders of clips, one an episode.")],
    template: TemplateOption,
    out: OutOption = Path("runs"),
    jobs: JobsOption = None,
    at_once: Annotated[int, typer.Option(min=1, help="Episodes side by side.")] = 1,
    redo: Annotated[
        list[str] | None, typer.Option("--redo", help="Make this shot anew (repeatable).")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Time a few frames of each episode, and say when all would be done."
        ),
    ] = False,
    no_disk_check: NoDiskCheckOption = False,
    engine: EngineOption = "local",
    faces: FacesOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Finish whole episodes unattended: papermill runs the notebook, kept beside the master.

    OUT/overview.html shows all of them. Ctrl-C finishes the shots under way and stops there; a
    second one stops at once. Run the same command again to go on.
    """
    from finishkit.batch import RunParams

    params = [
        RunParams(
            episode=str(e),
            template=str(template),
            out=str(out),
            jobs=jobs or 0,
            redo=",".join(redo or ()),
            faces=faces,
            engine=engine,
        )
        for e in episodes
    ]
    if dry_run:
        from finishkit.night import plan_nights

        nights = plan_nights(params, progress=Progress(Terminal()))
        return show_nights(nights, at_once=at_once, as_json=as_json)
    code = finish_batch(params, at_once=at_once, as_json=as_json, check_disk=not no_disk_check)
    raise typer.Exit(code)


def finish_batch(
    params: "Sequence[RunParams]",
    *,
    at_once: int = 1,
    as_json: bool = False,
    check_disk: bool = True,
) -> int:
    """Run a batch, show how it goes and what came of it, and return its exit code.

    Parameters
    ----------
    params : sequence of RunParams
        One an episode.
    at_once : int, optional
        Episodes side by side.
    as_json : bool, optional
        Whether to print the results for programs.
    check_disk : bool, optional
        Whether to refuse a night that will not fit.
    """
    from finishkit.batch import run_batch, worst_exit_code
    from finishkit.events import EVENTS

    ended = threading.Event()
    followers = [
        threading.Thread(target=_follow, args=(one.folder / EVENTS, ended), daemon=True)
        for one in params
    ]
    for follower in followers:
        follower.start()
    try:
        results = run_batch(params, at_once=at_once, say=_note, check_disk=check_disk)
    finally:
        ended.set()
        for follower in followers:
            follower.join()
    if as_json:
        _json([r.model_dump(mode="json", exclude={"ended_s"}) for r in results])
    else:
        for result in results:
            typer.echo(f"{result.episode}: {result.text}")
            if result.exit_code != 1:
                for name in ("master.mp4", "report.html"):
                    typer.echo(f"  {name.partition('.')[0].title()}: {Path(result.folder) / name}")
            if result.notebook:
                typer.echo(f"  Notebook: {Path(result.folder) / result.notebook}")
        for out in dict.fromkeys(one.folder.parent for one in params):
            show_overview(out, as_json=False)
    return worst_exit_code([r.exit_code for r in results])


def _note(text: str) -> None:
    typer.echo(f"finishkit: {text}", err=True)


def _json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1))


def _follow(path: Path, ended: threading.Event) -> None:
    """Show the events that the notebook's process writes, as they come."""
    show = Terminal()
    told = path.stat() if path.exists() else None
    file, seen = (told.st_ino, told.st_size) if told else (0, 0)
    while True:
        last = ended.is_set()
        if path.exists():
            with path.open("rb") as lines:
                if path.stat().st_ino != file:
                    # A run began a new file; what it kept of earlier runs is not news.
                    file, seen = path.stat().st_ino, seen if file == 0 else _last_begin(path)
                lines.seek(seen)
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    seen += len(line)
                    show(Event(**json.loads(line)))
        if last:
            return
        time.sleep(0.3)


def _last_begin(path: Path) -> int:
    return max(0, path.read_bytes().rfind(b'{"kind": "begin"'))


def show_overview(out: Path, *, as_json: bool) -> int | None:
    """Show how the episodes of a batch stand now, and bring the page up to date.

    Parameters
    ----------
    out : Path
        The folder that holds the episodes' folders.
    as_json : bool
        Whether to print it for programs.

    Returns
    -------
    code : int or None
        1 while something is not finished, 3 when shots need somebody, 0; None: no batch ran here.
    """
    from finishkit.overview import overview_lines
    from finishkit.overview_page import refreshed, write_overview

    overview = refreshed(out)
    if overview is None:
        return None
    write_overview(out, overview)
    if as_json:
        _json(overview.model_dump(mode="json"))
    else:
        typer.echo(overview_lines(overview, out))
    return overview.exit_code


def show_nights(nights: "Sequence[Night]", *, at_once: int = 1, as_json: bool = False) -> None:
    """Show what episodes would take, and when they would be done.

    Parameters
    ----------
    nights : sequence of Night
        One an episode.
    at_once : int, optional
        Episodes side by side.
    as_json : bool, optional
        Whether to print it for programs.
    """
    from finishkit.night_text import night_lines, together

    if as_json:
        dumped = [night.model_dump(mode="json") for night in nights]
        return _json(dumped if len(dumped) > 1 else dumped[0])
    low_s, high_s = together(nights, at_once)
    ends = [time.strftime("%H:%M", time.localtime(time.time() + s)) for s in (low_s, high_s)]
    clock = f"Started now it is done between {ends[0]} and {ends[1]}."
    return typer.echo(night_lines(nights, clock, at_once=at_once))


def clean(
    folders: Annotated[
        list[Path], typer.Argument(help="Episodes' output folders, or the OUT of a batch.")
    ],
    older_than_days: Annotated[
        float,
        typer.Option("--older-than", min=0, help="Only of episodes not touched for so many days."),
    ] = 0.0,
    down_to_gb: Annotated[
        float | None,
        typer.Option("--down-to", min=0, help="Oldest first, until so many gigabytes are left."),
    ] = None,
    caches: Annotated[
        bool,
        typer.Option("--caches", help="Measurements too; they are small, and take minutes."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Free what lies between the passes of finished episodes; shots, master and report stay.

    Run again, a cleaned episode still stands finished. To make one of its shots anew takes as long
    as the passes before it.
    """
    from finishkit.clean import clean_folder, plan_clean
    from finishkit.disk import size_text

    plan = plan_clean(
        folders,
        older_than_s=86400 * older_than_days,
        keep_bytes=None if down_to_gb is None else round(down_to_gb * 1e9),
        caches=caches,
    )
    if not as_json:
        for litter in plan:
            why = f"  kept: {litter.kept}" if litter.kept else f"{size_text(litter.bytes):>9}"
            typer.echo(f"{litter.folder}: {why}")
    freeing = [litter for litter in plan if litter.files]
    whole = sum(litter.bytes for litter in freeing)
    agreed = yes or (
        freeing and not as_json and typer.confirm(f"Free {size_text(whole)}?", err=True)
    )
    if not agreed:
        freeing = []
    freed = [clean_folder(litter) for litter in freeing]
    if as_json:
        return _json({
            "folders": [litter.told() for litter in plan],
            "freed_bytes": sum(freed),
        })  # fmt: skip
    return typer.echo(f"Freed {size_text(sum(freed))}.")

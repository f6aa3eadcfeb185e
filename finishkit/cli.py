"""The command line: thin, one function a verb, errors as sentences."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from finishkit.cli_deliver import add_deliver_verb
from finishkit.cli_models import models_app
from finishkit.cli_night import add_night_verbs, finish_batch, show_nights, show_overview
from finishkit.cli_options import (
    EngineOption,
    EpisodeArg,
    FacesOption,
    JobsOption,
    JsonOption,
    NoDiskCheckOption,
    OutOption,
    TemplateOption,
)
from finishkit.cli_show import add_show_verbs
from finishkit.errors import MACHINE_NUMBERS, FinishError, write_error
from finishkit.progress import Progress, Terminal
from finishkit.stopping import Stopped, Stopping

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Finish AI-generated vertical drama: measure every shot, correct the set to one target, "
    "measure again.\n\nThe way: [bold]measure[/] an episode, [bold]lock[/] a template on it, "
    "[bold]batch[/] it overnight, read the [bold]report[/]. Try it all with "
    "[bold]finishkit demo[/].",
)
app.add_typer(models_app, name="models")
add_show_verbs(app)
add_night_verbs(app)
add_deliver_verb(app)

USAGE_CODES = frozenset(
    {"unknown_setting", "bad_setting", "unknown_genre", "no_folder", "no_clips", "no_such_shot",
     "locked", "no_template", "not_locked", "no_such_backend", "out_in_sources", "usage",
     "not_running", "not_a_show"}
)  # fmt: skip
"""Reason codes of mistakes at the keyboard: they end with exit code 2, everything else with 1."""


def main() -> None:
    """Run the command line; a :class:`FinishError` is printed as a sentence."""
    try:
        app()
    except FinishError as error:
        print(f"finishkit: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2 if error.code in USAGE_CODES else 1)
    except OSError as error:
        if (error.errno or 0) not in MACHINE_NUMBERS:
            raise
        print(f"finishkit: {write_error(Path(str(error.filename or '')), error)}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except Stopped as stopped:
        _say_how_to_go_on(stopped.resume)
        # At once: who was told to end does not wait for threads. Children end with their parent.
        os._exit(stopped.exit_code)
    except SystemExit as ended:
        if ended.code == 130:  # what typer makes of a Ctrl-C
            _say_how_to_go_on("")
        raise


def _say_how_to_go_on(command: str) -> None:
    go_on = f"To go on: {command}" if command else "Run the same command again to go on."
    print(  # noqa: T201
        f"\nfinishkit: stopped; what is finished stays finished. {go_on}",
        file=sys.stderr,
        flush=True,
    )


def _say(text: str) -> None:
    typer.echo(text)


def _json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1))


@app.command()
def measure(
    episode: EpisodeArg,
    out: OutOption = Path("runs"),
    jobs: JobsOption = None,
    faces: FacesOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure every shot, judge it against its neighbours, write the report."""
    from finishkit.report import summary_lines
    from finishkit.run import measure_episode
    from finishkit.shots import open_episode

    done = measure_episode(
        open_episode(episode), out, jobs=jobs, faces=faces, progress=Progress(Terminal())
    )
    if as_json:
        _json({"folder": str(done.folder), "exit_code": done.exit_code})
    else:
        _say(summary_lines(done.report))
        _say(f"Report: {done.folder / 'report.html'}")
    raise typer.Exit(done.exit_code)


@app.command()
def lock(
    episode: EpisodeArg,
    output: Annotated[Path, typer.Option("-o", "--output", help="The template to write.")],
    genre: Annotated[
        str | None, typer.Option(help="Genre to start from: baseline, romance, thriller, fantasy.")
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Start from this template instead of a genre.")
    ] = None,
    hero: Annotated[
        str | None, typer.Option(help="Shot the others are brought to; proposed when not given.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting: --set faces.strength=0.5 (repeatable)."),
    ] = None,
    out: OutOption = Path("runs"),
    jobs: JobsOption = None,
    faces: FacesOption = "auto",
) -> None:
    """Lock a template: one file, one look, the same settings for every shot."""
    from finishkit.shots import open_episode
    from finishkit.template import Draft, load_look

    if genre and from_:
        raise FinishError("Give --genre or --from, not both.", "usage")
    opened = open_episode(episode)
    draft = Draft(load_look(from_)) if from_ else Draft.from_genre(genre or "baseline")
    for change in set_ or []:
        name, equals, value = change.partition("=")
        if not equals:
            raise FinishError(f"--set {change}: write NAME=VALUE.", "usage")
        draft.set(name.strip(), value.strip())
    if hero:
        hero = opened[hero].id
    else:
        hero = _proposed_hero(opened, out, jobs, faces)
        _say(f"Hero shot: {hero} (the one the others resemble most; choose with --hero)")
    template = draft.lock(hero=hero)
    template.save(output)
    changed = len(draft.changes())
    _say(
        f"Locked {output}: {template.genre}, {template.sha256[:12]}, {changed}"
        f" setting{'s' * (changed != 1)} changed. Now: finishkit batch {episode} -t {output}"
    )


def _proposed_hero(opened: Any, out: Path, jobs: int | None, faces: str) -> str:
    from finishkit.run import measured_verdict

    say = Progress(Terminal())
    return measured_verdict(opened, out, jobs=jobs, faces=faces, progress=say).hero


@app.command()
def finish(
    episode: EpisodeArg,
    template: TemplateOption,
    out: OutOption = Path("runs"),
    engine: EngineOption = "local",
    redo: Annotated[
        list[str] | None, typer.Option("--redo", help="Make this shot anew (repeatable).")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Time a few frames, and say how long it would take and what it needs.",
        ),
    ] = False,
    no_disk_check: NoDiskCheckOption = False,
    jobs: JobsOption = None,
    faces: FacesOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Finish one episode here and now, stage by stage; run again to resume."""
    from finishkit.disk import require_disk
    from finishkit.engines import require_engine
    from finishkit.night import plan_night
    from finishkit.report import summary_lines
    from finishkit.run import finish_episode
    from finishkit.shots import open_episode
    from finishkit.template import load_template

    require_engine(engine)
    opened, locked = open_episode(episode), load_template(template)
    if dry_run:
        night = plan_night(
            opened, locked, out, jobs=jobs, faces=faces, progress=Progress(Terminal())
        )
        return show_nights([night], as_json=as_json)
    folder = out / opened.name
    if not no_disk_check:
        require_disk([(opened, locked, folder)])
    with Stopping(lambda: _pause(folder)):
        done = finish_episode(
            opened,
            locked,
            out,
            jobs=jobs,
            redo=tuple(redo or ()),
            engine=engine,
            faces=faces,
            progress=Progress(Terminal()),
        )
    if as_json:
        _json({"folder": str(done.folder), "exit_code": done.exit_code})
    else:
        _say(summary_lines(done.report))
        _say(f"Master: {done.folder / 'master.mp4'}\nReport: {done.folder / 'report.html'}")
    raise typer.Exit(done.exit_code)


def _pause(folder: Path) -> bool:
    from finishkit.pause import is_held, request_pause

    if not is_held(folder):
        return False
    request_pause(folder)
    typer.echo(
        "\nfinishkit: pausing: the shots under way are finished first. Ctrl-C again stops at once.",
        err=True,
    )
    return True


@app.command()
def demo(
    out: OutOption = Path("finishkit-demo"),
    draft: Annotated[
        bool, typer.Option("--draft", help="Enlarge by Lanczos instead of Real-ESRGAN: quicker.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Real-ESRGAN on every shot: takes longer.")
    ] = False,
    jobs: JobsOption = None,
) -> None:
    """Do the whole job on the sample episode: measure, lock, finish, measure again, report."""
    from finishkit.batch import RunParams, shipped
    from finishkit.report import load_report, summary_lines
    from finishkit.run import measure_episode
    from finishkit.shots import open_episode
    from finishkit.template import Draft

    episode = shipped("sample_shots/ep01")
    started = time.monotonic()
    _say("1/3  Measure the sample episode")
    measured = measure_episode(open_episode(episode), out, jobs=jobs, progress=Progress(Terminal()))
    _say(summary_lines(measured.report))
    _say("2/3  Lock a template: romance, a 720x1280 master")
    look = Draft.from_genre("romance")
    look.set("master.width_px", 720)
    look.set("master.height_px", 1280)
    if draft:
        look.set("upscale.model", "lanczos")
    elif not full:
        # Four minutes on two cores: the net is spent on the hook's scene, Lanczos does the rest.
        look.set("upscale.net_budget_mpx", 20.0)
        look.set("faces.detect_every_frames", 6)
        look.set("master.preset", "superfast")
        _say("     Real-ESRGAN on the first scene, Lanczos on the others (all of it: --full)")
    template = look.lock(hero=measured.report.hero).save(out / "romance.toml")
    _say("3/3  Finish it, stage by stage, with papermill")
    code = finish_batch([RunParams(episode=str(episode), template=str(template), out=str(out),
                                   jobs=jobs or 0)])  # fmt: skip
    if code != 1:
        _say(summary_lines(load_report(out / episode.name / "report.json")))
    _say(f"Done in {time.monotonic() - started:.0f} s.")
    raise typer.Exit(1 if code == 1 else 0)


@app.command()
def status(
    folder: Annotated[
        Path, typer.Argument(help="An episode's output folder, or the OUT of a batch.")
    ],
    verify: Annotated[bool, typer.Option(help="Read every finished byte again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what is finished, quarantined and not run, from the manifest."""
    from finishkit.store import Store

    if not (folder / "manifest.json").is_file():
        if (code := show_overview(folder, as_json=as_json)) is not None:
            raise typer.Exit(code)
        raise FinishError(f"{folder} holds no manifest: nothing was finished there.", "no_folder")
    store = Store(folder)
    manifest = store.manifest()
    damaged = store.verify() if verify else ()
    states = {s: manifest.shots.get(s) for s in manifest.planned}
    if as_json:
        shots = {s: state.model_dump() if state else None for s, state in states.items()}
        _json({"shots": shots, "damaged": damaged, "exit_code": manifest.exit_code})
    else:
        for shot, state in states.items():
            text = f"{state.state}  {state.text}" if state else "not run"
            _say(f"{shot:<28} {text}")
        for name in damaged:
            _say(f"{name}: missing or changed since it was finished; it will be made again")
        _say(f"Exit code of this folder: {manifest.exit_code}")
    raise typer.Exit(1 if damaged else manifest.exit_code)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="An episode's output folder.")],
    as_json: JsonOption = False,
) -> None:
    """Show the report of a measured or finished episode in a few lines."""
    from finishkit.report import load_report, summary_lines

    loaded = load_report(folder / "report.json")
    if as_json:
        typer.echo((folder / "report.json").read_text(encoding="utf-8"))
    else:
        _say(summary_lines(loaded))
        _say(f"Report: {(folder / 'report.html').resolve()}")


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what is there, what is missing, and the one command that fixes it."""
    from finishkit.doctor import examine

    findings = examine()
    if as_json:
        _json([f.model_dump() for f in findings])
    else:
        for finding in findings:
            mark = {"ok": "●", "note": "▲", "missing": "✕"}[finding.state]
            cure = f"  ->  {finding.cure}" if finding.cure else ""
            _say(f"{mark} {finding.what:<18} {finding.text}{cure}")
    raise typer.Exit(1 if any(f.state == "missing" and f.required for f in findings) else 0)

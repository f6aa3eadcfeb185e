"""The command line's verb of delivery: what viewers get, made of what stands finished."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finishkit.cli_options import JsonOption
from finishkit.errors import FinishError
from finishkit.progress import Progress, Terminal, duration_text
from finishkit.stopping import Stopping

if TYPE_CHECKING:
    from finishkit.deliver.codecs import Choice
    from finishkit.deliver.episode import Delivered
    from finishkit.deliver.forecast import Forecast

_NAMES = {"h264": "H.264 High", "hevc": "HEVC Main 10", "av1": "AV1 Main, 10 bits"}


def add_deliver_verb(app: typer.Typer) -> None:
    """Add ``deliver`` to the command line.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command()(deliver)


def deliver(
    out: Annotated[
        Path,
        typer.Argument(
            help="A finished episode's output folder, or the OUT of a batch: all of it."
        ),
    ],
    codec: Annotated[
        str, typer.Option(help="hevc, av1 or h264: see docs/delivery.md for which is for what.")
    ] = "hevc",
    crf: Annotated[
        int | None,
        typer.Option(help="Lower is better and larger; default 18 (h264), 20 (hevc), 26 (av1)."),
    ] = None,
    hardware: Annotated[
        str, typer.Option(help="auto: a graphics card's encoder where one opens; off: never.")
    ] = "auto",
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="Shots side by side; default: one for every four cores."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Time a few frames, and say how long it would take."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make delivery files of finished episodes: OUT/EPISODE/delivery/EPISODE_CODEC.mp4.

    Every finished shot is encoded once more, several side by side, and joined by copying; sound is
    the master's, bit for bit. The master and the report stay as they are. Ctrl-C pauses after the
    shots under way; run the same command again to go on.
    """
    from finishkit.deliver.codecs import Codec, Hardware, choose
    from finishkit.deliver.finished import episodes_to_deliver
    from finishkit.deliver.forecast import forecast

    folders, others = episodes_to_deliver(out)
    choice = choose(
        _one_of(Codec, codec, "--codec"),
        crf=crf,
        hardware=_one_of(Hardware, hardware, "--hardware"),
    )
    for said in (choice.note, *others):
        if said:
            typer.echo(f"finishkit: {said}", err=True)
    if dry_run:
        forecasts = [forecast(folder, choice, jobs=jobs) for folder in folders]
        if as_json:
            return _json([one.model_dump(mode="json") for one in forecasts])
        return typer.echo("\n".join(forecast_lines(one) for one in forecasts))
    made = [_delivered(folder, choice, jobs) for folder in folders]
    if as_json:
        _json([one.model_dump(mode="json") for one in made])
    else:
        typer.echo("\n".join(delivered_lines(one) for one in made))
    raise typer.Exit(3 if others or any(one.left_out for one in made) else 0)


def _one_of(kind: Any, given: str, option: str) -> Any:
    try:
        return kind(given)
    except ValueError:
        raise FinishError(f"{option} {given}: choose {', '.join(kind)}.", "usage") from None


def _delivered(folder: Path, choice: "Choice", jobs: int | None) -> "Delivered":
    from finishkit.deliver.episode import deliver_episode

    with Stopping(lambda: _pause(folder)):
        return deliver_episode(folder, choice, jobs=jobs, progress=Progress(Terminal()))


def _pause(folder: Path) -> bool:
    from finishkit.pause import is_held, request_pause

    if not is_held(folder):
        return False
    request_pause(folder)
    typer.echo(
        "\nfinishkit: pausing: the shots under way are encoded first. Ctrl-C again stops at once.",
        err=True,
    )
    return True


def delivered_lines(made: "Delivered") -> str:
    """Return what came of a delivery, as it is told at the prompt.

    Parameters
    ----------
    made : Delivered
        One episode.
    """
    master = f"{_size(made.master_bytes)}, {made.master_bytes * 8e-6 / made.duration_s:.1f} Mb/s"
    lines = [
        f"{made.file}",
        f"  {_NAMES[made.codec]} ({made.encoder}, crf {made.crf}), {made.duration_s:.1f} s,"
        f" {_size(made.bytes)}, {made.rate_mbit_s:.1f} Mb/s; the master: {master}",
        f"  SSIM against the master {made.ssim_mean:.4f} (least {made.ssim_least:.4f}, in"
        f" {made.least_shot}); {made.encoded} shots encoded, {made.standing} stood already",
    ]
    lines += [f"  left out: {shot}: {why}" for shot, why in made.left_out]
    if made.regenerate:
        lines.append(f"  in it, though to be generated again: {', '.join(made.regenerate)}")
    return "\n".join(lines)


def forecast_lines(told: "Forecast") -> str:
    """Return what a delivery would take, as it is told at the prompt.

    Parameters
    ----------
    told : Forecast
        One episode.
    """
    standing = len(told.shots) - len(told.to_encode)
    lines = [
        f"{told.episode} as {told.codec} ({told.encoder}, crf {told.crf}): {len(told.shots)} shots,"
        f" {told.frame_count} frames, {told.duration_s:.1f} s; {standing} stand already"
    ]
    if told.to_encode:
        lines += [
            f"  time: {duration_text(told.low_s)} to {duration_text(told.high_s)}, {told.jobs} at a"
            f" time ({told.sample_frames} frames of {told.sample_shot} took {told.frame_s:.2f} s"
            " each)",
            f"  disk: about {_size(2 * told.file_bytes)}, half of it freed by finishkit clean;"
            f" {_size(told.free_bytes)} free",
            f"  to encode: {', '.join(told.to_encode)}",
        ]
    else:
        lines.append("  nothing is left to encode")
    lines += [f"  left out: {shot}: {why}" for shot, why in told.left_out]
    return "\n".join(lines)


def _size(count: int) -> str:
    # In thousands, as bit rates are.
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1))

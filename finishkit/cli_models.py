"""``finishkit models``: which nets are here, under which licence, fetching and bringing them."""

import importlib.util
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from finishkit.errors import FinishError
from finishkit.models.cards import ModelCard

models_app = typer.Typer(no_args_is_help=True, help="Nets: what is there, and under which licence.")

MARKS = {"good": "●", "wrong": "✕", "missing": "○", "part": "◐"}


@models_app.command("list")
def models_list(
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """List the nets, whether their weights are here, and whether commercial work may use them."""
    from finishkit.models.own import all_cards
    from finishkit.models.stock import is_here

    if as_json:
        cards = [{**c.model_dump(mode="json"), "here": is_here(c)} for c in all_cards()]
        typer.echo(json.dumps(cards, indent=1))
        return
    for card in all_cards():
        here = is_here(card)
        fetch = f"finishkit models pull {card.name}" if card.urls else "not here"
        typer.echo(
            f"{MARKS['good' if here else 'missing']} {card.name:<24} {card.task:<10} "
            f"x{card.scale}  commercial: {card.commercial:<8} {'' if here else fetch}".rstrip()
        )
        typer.echo(f"{'':<26} {card.licence}")


@models_app.command("pull")
def models_pull(
    names: Annotated[list[str], typer.Argument(help="Nets, see: finishkit models list.")],
    accepted: Annotated[
        bool,
        typer.Option("--accept-licence", "--yes", help="Accept the licences that are shown."),
    ] = False,
) -> None:
    """Fetch published weights: https only, resumed where it broke off, checked to the last byte.

    FINISHKIT_MODELS_MIRROR names a folder on a server of your own to fetch from.
    """
    from finishkit.models import CARDS

    offered = [c.name for c in CARDS.values() if c.urls]
    for name in names:
        if name not in offered:
            raise FinishError(
                f"{name!r} cannot be fetched. There are: {', '.join(offered)}.", "no_such_model"
            )
    for name in dict.fromkeys(names):
        _accept(CARDS[name], accepted)
    for name in dict.fromkeys(names):
        _fetch(CARDS[name])


def _accept(card: ModelCard, accepted: bool) -> None:
    """Show the licence; go on only when a person said so."""
    typer.echo(f"{card.name}: {card.source}, {card.size_bytes / 1e6:.0f} MB")
    typer.echo(f"  Licence: {card.licence}")
    typer.echo(f"  May the pictures be sold: {card.commercial}. {card.commercial_reason}")
    if card.commercial != "yes":
        typer.echo('  A template with licence = "commercial" refuses this net.')
    if accepted:
        return
    if not sys.stdin.isatty():
        raise FinishError(
            "Nobody is here to accept this licence. Read it, and run it again with"
            " --accept-licence.",
            "licence",
        )
    if not typer.confirm("Fetch it under this licence?"):
        raise FinishError(f"{card.name} was not fetched.", "licence")


def _fetch(card: ModelCard) -> None:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from finishkit.models.checkpoints import checkpoint_path, import_checkpoint
    from finishkit.models.pull import pull

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, transient=True) as bar:
            task = bar.add_task(card.name, total=card.size_bytes)
            path = pull(card, seen=lambda here, _: bar.update(task, completed=here))
    except KeyboardInterrupt:
        typer.echo(f"Stopped. What is here is kept; go on with: finishkit models pull {card.name}")
        raise typer.Exit(130) from None
    typer.echo(f"{path}")
    if not card.checkpoint or checkpoint_path(card).is_file():
        return
    if any(importlib.util.find_spec(name) is None for name in ("torch", "safetensors")):
        typer.echo('It is converted once torch is here: pip install "finishkit[models]"')
        return
    typer.echo(f"{import_checkpoint(card, path)}")


@models_app.command("import")
def models_import(
    name: Annotated[str, typer.Argument(help="A net, see: finishkit models list.")],
    file: Annotated[Path, typer.Argument(help="Its published checkpoint, .pth or .ckpt.")],
) -> None:
    """Convert a checkpoint of yours, once, to weights that are only read."""
    from finishkit.models import CARDS
    from finishkit.models.checkpoints import import_checkpoint

    card = CARDS.get(name)
    if card is None or not card.checkpoint:
        there = ", ".join(c.name for c in CARDS.values() if c.checkpoint)
        raise FinishError(
            f"No checkpoint of {name!r} can be imported. There are: {there}. A net of your own:"
            " finishkit models add FILE --name NAME --licence LICENCE",
            "usage",
        )
    typer.echo(f"{import_checkpoint(card, file)}")
    typer.echo(f"Commercial use: {card.commercial}. {card.licence}")


class Sold(StrEnum):
    """Whether pictures may be sold."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"


@models_app.command("add")
def models_add(
    file: Annotated[Path, typer.Argument(help="A checkpoint: .pth, .pt, .ckpt, .safetensors.")],
    name: Annotated[str, typer.Option("--name", help="What templates shall call it.")],
    licence: Annotated[str, typer.Option("--licence", help="What its licence says.")],
    commercial: Annotated[
        Sold, typer.Option("--commercial", help="May its pictures be sold?")
    ] = Sold.UNCLEAR,
    domain: Annotated[str, typer.Option("--domain", help="What it was trained on.")] = "",
) -> None:
    """Take in a net of your own that enlarges pictures, for upscale.model."""
    from finishkit.models.own import HALO_PX, add

    card = add(file, name, licence=licence, commercial=commercial.value, domain=domain)
    typer.echo(f"{card.name}: x{card.scale}, sha256 {card.sha256[:12]}..., {card.input_domain}")
    typer.echo(
        f"How far it looks is unknown: where memory asks for tiles, they overlap by {HALO_PX} px."
        " Look at a large shot before you lock it: where seams show, set upscale.tile_px higher."
    )
    typer.echo(f"Commercial use, as you say: {card.commercial}. {card.licence}")
    typer.echo(f'Use it: upscale.model = "{card.name}"')


@models_app.command("verify")
def models_verify() -> None:
    """Read all weights that are here again; ends with 1 when a byte of them is wrong."""
    from finishkit.models.stock import verify_stock

    held = verify_stock()
    for one in held:
        typer.echo(f"{MARKS[one.state]} {one.name:<24} {one.text}")
    raise typer.Exit(1 if any(one.state == "wrong" for one in held) else 0)

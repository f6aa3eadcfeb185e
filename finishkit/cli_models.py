"""``finishkit models``: which nets are here, under which licence, and bringing one's own."""

import json
from pathlib import Path
from typing import Annotated

import typer

from finishkit.errors import FinishError

models_app = typer.Typer(no_args_is_help=True, help="Nets: what is there, and under which licence.")


@models_app.command("list")
def models_list(
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """List the nets, whether their weights are here, and whether commercial work may use them."""
    from finishkit.models import CARDS

    if as_json:
        typer.echo(json.dumps([c.model_dump(mode="json") for c in CARDS.values()], indent=1))
        return
    for card in CARDS.values():
        typer.echo(f"{card.name:<24} {card.task:<10} x{card.scale}  commercial: {card.commercial}")
        typer.echo(f"{'':<24} {card.licence}")


@models_app.command("import")
def models_import(
    name: Annotated[str, typer.Argument(help="A net, see: finishkit models list.")],
    file: Annotated[Path, typer.Argument(help="Its published checkpoint, .pth or .ckpt.")],
) -> None:
    """Convert a checkpoint of yours, once, to weights that are only read."""
    from finishkit.models import CARDS
    from finishkit.models.checkpoints import import_checkpoint

    card = CARDS.get(name)
    if card is None or card.task != "faces":
        there = ", ".join(c.name for c in CARDS.values() if c.task == "faces")
        raise FinishError(
            f"No checkpoint of {name!r} can be imported. There are: {there}.", "usage"
        )
    typer.echo(f"{import_checkpoint(card, file)}")
    typer.echo(f"Commercial use: {card.commercial}. {card.licence}")


@models_app.command("verify")
def models_verify() -> None:
    """Check the weights that are here against their pinned digests."""
    from finishkit.models import CARDS, weights_path
    from finishkit.models.checkpoints import checkpoint_path, load_checkpoint

    bad = 0
    for card in CARDS.values():
        try:
            if card.task == "faces":
                load_checkpoint(card)
                typer.echo(f"● {card.name:<24} {checkpoint_path(card)}")
                continue
            typer.echo(f"● {card.name:<24} {weights_path(card)}")
        except FinishError as error:
            bad += card.task == "upscale"
            typer.echo(f"✕ {card.name:<24} {error}")
    raise typer.Exit(1 if bad else 0)

"""Which nets a look asks for: what its licence has to allow."""

from finishkit.brought import LANCZOS
from finishkit.models import ModelCard
from finishkit.models.own import card_of
from finishkit.models.rife import rife_card
from finishkit.stages.face_engines import ENGINES
from finishkit.template import Look


def nets_in(look: Look) -> tuple[ModelCard, ...]:
    """Return the cards of all nets a look asks for, the user's and the reference engines' too.

    Parameters
    ----------
    look : Look
        Or a template.

    Raises
    ------
    FinishError
        When the card of a net of the user's is gone or harmed.
    """
    cards: list[ModelCard] = []
    if look.upscale.strength > 0 and look.upscale.model != LANCZOS:
        cards.append(card_of(look.upscale.model))
    if look.faces.strength > 0:
        cards += ENGINES[look.faces.engine].cards
    if look.interpolate.strength > 0 and look.interpolate.engine == "rife":
        cards.append(rife_card(look.interpolate.rife_sha256))
    return tuple(cards)

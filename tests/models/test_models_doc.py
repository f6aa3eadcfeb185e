"""docs/models.md says of every card what the card says; run this file to write it anew."""

from pathlib import Path

from finishkit.models import CARDS
from finishkit.models.cards import ModelCard

DOC = Path(__file__).parents[2] / "docs" / "models.md"


def row(card: ModelCard) -> str:
    size = f"{card.size_bytes / 1e6:.0f} MB"
    way = "pull" if card.urls else ("package" if "/" in card.source else "bring it")
    sha = f"`{card.source_sha256[:12]}`" if card.source_sha256 else "kept at import"
    scale = f"x{card.scale}" if card.task == "upscale" else ""
    return (
        f"| `{card.name}` | {card.task} {scale} | {card.commercial} | {way} | {size} | {sha} |"
        f" {card.input_domain} |"
    ).replace("  ", " ")


def table() -> str:
    head = "| Name | For | May be sold | How | Size | sha256 | What to give it |\n"
    rule = "|" + "---|" * 7
    return head + "\n".join((rule, *(row(card) for card in CARDS.values())))


def reasons() -> str:
    lines = [f"* `{c.name}`: {c.commercial_reason} {c.licence}" for c in CARDS.values()]
    return "\n".join(lines)


def filled(text: str) -> str:
    for name, part in (("cards", table()), ("reasons", reasons())):
        before, _, rest = text.partition(f"<!-- {name} -->\n")
        _, mark, after = rest.partition(f"<!-- /{name} -->")
        text = f"{before}<!-- {name} -->\n{part}\n{mark}{after}"
    return text


def test_the_page_says_what_the_cards_say() -> None:
    text = DOC.read_text(encoding="utf-8")
    assert text == filled(text), "run: python -m tests.models.test_models_doc"


if __name__ == "__main__":
    DOC.write_text(filled(DOC.read_text(encoding="utf-8")), encoding="utf-8")

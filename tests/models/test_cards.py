import pytest
from pydantic import ValidationError

from finishkit.errors import FinishError
from finishkit.models import CARDS, licence_allows, require_licence


def test_every_card_is_filed_under_its_name_and_fully_pinned() -> None:
    for name, card in CARDS.items():
        assert card.name == name
        pinned = 0 if card.name == "restoreformer-pp" else 64
        assert len(card.sha256) == len(card.source_sha256) == pinned
        assert pinned or not card.urls, "what nobody pins is not fetched"
        assert all(url.startswith("https://") and url.endswith(card.source) for url in card.urls)
        assert card.size_bytes > 1_000_000
        assert card.licence
        assert card.commercial_reason


def test_commercial_work_needs_a_clear_yes() -> None:
    unclear, refused = CARDS["realesr-animevideov3"], CARDS["gfpgan-v1.4"]
    clear = unclear.model_copy(update={"commercial": "yes"})
    assert [licence_allows(c, "commercial") for c in (clear, unclear, refused)] == [
        True,
        False,
        False,
    ]
    assert all(licence_allows(c, "any") for c in (clear, unclear, refused))


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("realesrgan-x4plus", 'upscale.model = "lanczos"'),
        ("gfpgan-v1.4", "faces.strength = 0"),
        ("rife-4.9", 'interpolate.engine = "dis"'),
    ],
)
def test_a_refusal_names_the_reason_and_the_cure(name: str, cure: str) -> None:
    card = CARDS[name]
    require_licence(card, "any")
    with pytest.raises(FinishError, match=card.name) as caught:
        require_licence(card, "commercial")
    assert caught.value.code == "licence"
    assert card.commercial_reason in str(caught.value)
    assert cure in str(caught.value)


def test_a_card_is_frozen_and_usable_as_a_key() -> None:
    card = CARDS["realesrgan-x4plus"]
    with pytest.raises(ValidationError):
        card.scale = 2  # type: ignore[misc]
    assert {card: 1}[card.model_copy()] == 1

"""Which nets: cards with licence and digest, verified weights, the engine that runs them."""

from finishkit.models.cards import CARDS, ModelCard, licence_allows, require_licence
from finishkit.models.weights import cache_dir, find, load, weights_path

__all__ = [
    "CARDS",
    "ModelCard",
    "cache_dir",
    "find",
    "licence_allows",
    "load",
    "require_licence",
    "weights_path",
]

"""Which key does what in the player: data, so that anybody may put other keys there."""

from collections.abc import Mapping, Sequence

from finishkit.errors import FinishError

KEYMAP: Mapping[str, tuple[str, ...]] = {
    "play": ("Space", "k"),
    "backward": ("j",),
    "forward": ("l",),
    "frame_back": ("ArrowLeft",),
    "frame_on": ("ArrowRight",),
    "second_back": ("Shift+ArrowLeft",),
    "second_on": ("Shift+ArrowRight",),
    "first": ("Home",),
    "last": ("End",),
    "shot_back": ("ArrowUp",),
    "shot_on": ("ArrowDown",),
    "flagged_on": ("n",),
    "flagged_back": ("Shift+n",),
    "hold_before": ("b",),
    "toggle": ("\\",),
    "wipe": ("w",),
    "wipe_left": ("[",),
    "wipe_right": ("]",),
    "loupe": ("z",),
    "zone": ("s",),
    "phone": ("p",),
    "regenerate": ("r",),
    "accept": ("a",),
    "unflag": ("u",),
    "note": ("m",),
    "keys": ("?",),
}
"""By action. ``Shift+`` goes before letters and named keys; signs such as ``?`` hold their own."""

PASSING = ("Tab", "Escape", "Enter")
"""Leave the widget, or press what has the focus; never taken."""


def merged(own: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the keymap with some actions on other keys.

    Parameters
    ----------
    own : mapping of str to sequence of str
        By action; an empty sequence takes an action off the keyboard.

    Returns
    -------
    keymap : dict of str to list of str

    Raises
    ------
    FinishError
        ``bad_keymap`` for an unknown action, a key that must pass, or one key twice.
    """
    unknown = [action for action in own if action not in KEYMAP]
    if unknown:
        raise FinishError(
            f"The player does nothing called {unknown[0]!r}. It does: {', '.join(KEYMAP)}.",
            "bad_keymap",
        )
    whole = {action: list(own.get(action, keys)) for action, keys in KEYMAP.items()}
    taken: dict[str, str] = {}
    for action, keys in whole.items():
        for key in keys:
            if not isinstance(key, str) or _forbidden(key):
                raise FinishError(
                    f"{key!r} cannot be a key of the player: Ctrl, Cmd, Alt, Tab, Escape and Enter"
                    " belong to the page.",
                    "bad_keymap",
                )
            if key in taken:
                raise FinishError(
                    f"The key {key!r} would do both {taken[key]} and {action}. Give one of them"
                    " another.",
                    "bad_keymap",
                )
            taken[key] = action
    return whole


def _forbidden(key: str) -> bool:
    bare = key.removeprefix("Shift+")
    return bare in PASSING or not bare or key.startswith(("Ctrl+", "Alt+", "Meta+", "Cmd+"))

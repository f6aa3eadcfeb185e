"""Where weights are fetched from, and what may be asked for them: https, or this very machine."""

import ipaddress
import ssl
import urllib.parse
import urllib.request
from typing import Any, Final

from finishkit.errors import FinishError
from finishkit.models.cards import ModelCard
from finishkit.untrusted import shown

MIRROR: Final = "FINISHKIT_MODELS_MIRROR"
"""Environment variable: a folder on the studio's own server that holds the published files. Whoever
sets it decides where the bytes come from, never what they are."""
_MOST_REDIRECTS: Final = 5


class GivenUpError(Exception):
    """An address will not do."""


def addresses(card: ModelCard, mirror: str = "") -> tuple[str, ...]:
    """Return where a card's file is fetched from.

    Parameters
    ----------
    card : ModelCard
        Any net.
    mirror : str, optional
        Instead of its publisher: ``https://``, or ``http://`` on this very machine.

    Returns
    -------
    urls : tuple of str

    Raises
    ------
    FinishError
        ``no_such_model`` when nobody offers it, or it comes with a package; ``bad_mirror``.
    """
    if not card.urls:
        raise FinishError(
            f"{card.name} is not fetched: it comes with a package, or you bring it"
            f" ({card.source}). See: finishkit models list",
            "no_such_model",
        )
    if not mirror:
        return card.urls
    url = f"{mirror.rstrip('/')}/{urllib.parse.quote(card.source)}"
    if not _allowed(url, url):
        raise FinishError(
            f"{MIRROR} = {shown(mirror)!r} will not do: it must begin with https:// (or with"
            " http://127.0.0.1, for a server on this machine) and hold no password.",
            "bad_mirror",
        )
    return (url,)


def shown_url(url: str) -> str:
    """Return a URL's server for a message: the rest may be long, and is the card's."""
    return shown(urllib.parse.urlsplit(url).netloc)


def _allowed(url: str, first: str) -> bool:
    """Say whether an address may be asked; plain http only on this machine, and asked for so."""
    try:
        parts, begun = urllib.parse.urlsplit(url), urllib.parse.urlsplit(first)
        port = parts.port
    except ValueError:
        return False
    if parts.username is not None or parts.password is not None or not parts.hostname or port == 0:
        return False
    if parts.scheme == "https":
        return True
    return parts.scheme == begun.scheme == "http" and _is_here(parts.hostname)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def opener(first: str) -> urllib.request.OpenerDirector:
    """Return what opens an address: proxies of the environment, https alone also when redirected.

    Parameters
    ----------
    first : str
        The address; one of :func:`addresses`.
    """

    class OnlyAllowed(urllib.request.HTTPRedirectHandler):
        max_redirections = _MOST_REDIRECTS

        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any,
                             newurl: str) -> urllib.request.Request | None:  # fmt: skip
            if not _allowed(newurl, first):
                raise GivenUpError(f"the server points to {shown(newurl)}, which is not https")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    # A server on this machine is not asked for through a proxy.
    here = urllib.parse.urlsplit(first).scheme == "http"
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler({} if here else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        OnlyAllowed(),
    ):
        director.add_handler(handler)
    return director

"""The packages of the field, imported as they are: the one place that stands in for what is gone.

realesrgan, gfpgan and basicsr below them were last released in 2022. They ask torchvision for a
module that it has removed since, and cannot be installed on Python 3.13.
"""

import importlib
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from finishkit.errors import FinishError

INSTALL: Final = 'pip install "finishkit[reference]"'
BEFORE: Final = (3, 13)
"""basicsr 1.4.2 reads its version in a way that Python 3.13 has ended."""

_MOVED: Final = "torchvision.transforms.functional_tensor"
_lock = threading.Lock()


def package(name: str, purpose: str, instead: str) -> Any:
    """Import a module of gfpgan, realesrgan, basicsr or facexlib.

    Parameters
    ----------
    name : str
        Of the module.
    purpose : str
        What needs it: the beginning of a message.
    instead : str
        What to set where it cannot be had: the end of a message.

    Returns
    -------
    module : module

    Raises
    ------
    FinishError
        Code ``models_missing``, with the cure.
    """
    if sys.version_info >= BEFORE:
        raise FinishError(
            f"{purpose} runs the package {name.partition('.')[0]}, which cannot be installed on"
            f" Python {sys.version_info.major}.{sys.version_info.minor}. Make an environment of"
            f" Python 3.12 or 3.11 and run: {INSTALL}. Or {instead}.",
            "models_missing",
        )
    try:
        with _lock, _moved(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of ten years' ways to call NumPy and torch
            return importlib.import_module(name)
    except ImportError as error:
        raise FinishError(
            f"{purpose} needs the package {name.partition('.')[0]}, which cannot be imported"
            f" ({error}). Run: {INSTALL} (basicsr, below it, is built on your machine: pip fetches"
            " torch a second time for that, several minutes; with torch here already, pip install"
            " setuptools wheel cython, then pip install --no-build-isolation basicsr, is quicker)."
            f" Or {instead}.",
            "models_missing",
        ) from error


@contextmanager
def _moved() -> Iterator[None]:
    """Stand in for the module basicsr asks for, while it is imported."""
    functional: Any = importlib.import_module("torchvision.transforms.functional")
    stand_in = ModuleType(_MOVED)
    stand_in.rgb_to_grayscale = functional.rgb_to_grayscale  # type: ignore[attr-defined]
    added = sys.modules.setdefault(_MOVED, stand_in) is stand_in
    try:
        yield
    finally:
        if added:
            del sys.modules[_MOVED]


def silence(module: Any) -> None:
    """Keep a module's ``print`` calls from the terminal; sys.stdout belongs to everybody.

    Parameters
    ----------
    module : module
        One that prints a line for every tile.
    """
    module.print = lambda *_, **__: None


class Watched:
    """A net whose failure is not lost on a caller that catches it, prints it and goes on.

    Parameters
    ----------
    net : callable
        What is called.

    Attributes
    ----------
    failure : BaseException or None
        Of the calls since it was last asked for.
    """

    def __init__(self, net: Any) -> None:
        self._net = net
        self.failure: BaseException | None = None

    def __call__(self, *given: Any, **more: Any) -> Any:
        """Call the net; what it raises is kept, and raised."""
        try:
            return self._net(*given, **more)
        except BaseException as error:
            self.failure = error
            raise

    def require_success(self) -> None:
        """Raise what was swallowed.

        Raises
        ------
        Exception
            As the net raised it.
        """
        if failure := self.forgotten():
            raise failure

    def forgotten(self) -> BaseException | None:
        """Return the last failure, and forget it."""
        failure, self.failure = self.failure, None
        return failure

"""What a batch is told: the parameters of the finishing notebook, and the command that goes on."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from annotated_types import Interval
from pydantic import Field

from finishkit.engines import require_engine
from finishkit.errors import FinishError
from finishkit.measure.identity import choose_backend
from finishkit.shots import open_episode
from finishkit.template import load_template
from finishkit.values import Value


class RunParams(Value):
    """The parameters of the finishing notebook: these names and no others.

    papermill writes parameter *names* into the notebook as code and only warns of unknown ones,
    so they come from here and never from a file.

    Attributes
    ----------
    episode : str
        Folder of the episode's clips.
    template : str
        A locked template.
    out : str
        Results go to ``out/<episode>``.
    jobs : int
        Worker processes; 0: as many as there are processors.
    redo : str
        Shots to make anew, separated by commas.
    faces : str
        Face backend, see :func:`finishkit.measure.identity.choose_backend`.
    engine : str
        Where to work, see :func:`finishkit.engines.open_engine`.
    """

    episode: Annotated[str, Field(min_length=1)] = "../sample_shots/ep01"
    template: Annotated[str, Field(min_length=1)] = "../runs/romance.toml"
    out: Annotated[str, Field(min_length=1)] = "../runs"
    jobs: Annotated[int, Interval(ge=0, le=256)] = 0
    redo: str = ""
    faces: str = "auto"
    engine: Annotated[str, Field(min_length=1)] = "local"

    @property
    def redo_shots(self) -> tuple[str, ...]:
        """``redo``, taken apart."""
        return tuple(part.strip() for part in self.redo.split(",") if part.strip())

    @property
    def folder(self) -> Path:
        """The episode's output folder, absolute."""
        return Path(self.out).resolve() / Path(self.episode).resolve().name

    def settled(self) -> "RunParams":
        """Return the same with absolute paths, and the face backend that was chosen."""
        paths = {n: str(Path(getattr(self, n)).resolve()) for n in ("episode", "template", "out")}
        # Settled, since a relative path of a model means another file to the notebook.
        licence = load_template(self.template).licence
        return self.replace(**paths, faces=choose_backend(self.faces, licence=licence))


def refuse_what_cannot_run(params: Sequence[RunParams]) -> None:
    """Raise before a night is begun that would end at once.

    Parameters
    ----------
    params : sequence of RunParams
        One an episode.

    Raises
    ------
    FinishError
        A missing episode or template, two episodes of one name, a face backend that is not there
        or that the template's licence does not allow.
    """
    names: set[str] = set()
    for one in params:
        require_engine(one.engine)
        choose_backend(one.faces, licence=load_template(one.template).licence)
        name = open_episode(one.episode).name
        if name in names:
            raise FinishError(
                f"Two episodes are called {name}: their results would mix. Rename a folder.",
                "duplicate_episode",
            )
        names.add(name)


def batch_command(params: Sequence[RunParams], program: Sequence[str] = ()) -> list[str]:
    """Return the command that finishes these episodes, or goes on with them.

    Parameters
    ----------
    params : sequence of RunParams
        Settled.
    program : sequence of str, optional
        This very interpreter by default.
    """
    one = params[0]
    return [
        *(program or (sys.executable, "-m", "finishkit")),
        "batch",
        *(p.episode for p in params),
        *("-t", one.template, "-O", one.out),
        *(("-j", str(one.jobs)) if one.jobs else ()),
        *(("--faces", one.faces) if one.faces != "auto" else ()),
        *(("--engine", one.engine) if one.engine != "local" else ()),
        # A take that was to be made anew and was not yet must not be kept.
        *(word for shot in one.redo_shots for word in ("--redo", shot)),
    ]


def resume_command(params: Sequence[RunParams], at_once: int = 1) -> str:
    """Return what to type to go on with episodes; empty for none.

    Parameters
    ----------
    params : sequence of RunParams
        Settled.
    at_once : int, optional
        Episodes side by side.
    """
    if not params:
        return ""
    words = batch_command(params, ["finishkit"])
    if at_once > 1 and len(params) > 1:
        words += ["--at-once", str(at_once)]
    return shlex.join(words)

"""Options that several verbs of the command line share."""

from pathlib import Path
from typing import Annotated

import typer

EpisodeArg = Annotated[Path, typer.Argument(help="Folder of the episode's clips.")]
OutOption = Annotated[Path, typer.Option("--out", "-O", help="Results go to OUT/<episode>.")]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes; default: all cores.")
]
FacesOption = Annotated[
    str,
    typer.Option(
        envvar="FINISHKIT_FACES",
        help="What tells faces apart: auto, dlib, arcface:FILE.onnx or insightface:FOLDER"
        " (see: finishkit doctor).",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
EngineOption = Annotated[
    str,
    typer.Option(
        help="Where to work: local, dask:local, dask:tcp://HOST:PORT or dask:tls://HOST:PORT (see"
        " docs/cluster.md).",
    ),
]
TemplateOption = Annotated[
    Path, typer.Option("--template", "-t", help="A locked template (see: finishkit lock).")
]
NoDiskCheckOption = Annotated[
    bool,
    typer.Option("--no-disk-check", help="Begin even when it does not seem to fit on the disk."),
]

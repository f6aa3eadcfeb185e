"""What is there, what is missing, and the one command that fixes it."""

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from pathlib import Path
from typing import Literal

from finishkit.errors import FinishError
from finishkit.values import Value

FFMPEG_LEAST = (62, 28)
"""libavcodec of FFmpeg 8.1: the first line with the fixes the trust notes ask for."""


class Finding(Value):
    """One line of the examination.

    Attributes
    ----------
    state : {'ok', 'note', 'missing'}
    required : bool
        Nothing works without it.
    cure : str
        One command; empty when there is nothing to cure.
    """

    what: str
    state: Literal["ok", "note", "missing"]
    text: str
    cure: str = ""
    required: bool = False


def examine() -> list[Finding]:
    """Look at this machine.

    Returns
    -------
    findings : list of Finding
    """
    return [
        _python(),
        _group("core", ("av", "opencv-python", "dlib-bin", "pydantic"), "finishkit", True),
        _group("notebooks", ("jupyterlab", "ipywidgets", "ipympl", "papermill"), "finishkit[lab]"),
        _group("nets", ("torch", "torchvision", "safetensors"), "finishkit[models]"),
        _opencv(),
        _decoder(),
        *_encoders(),
        _device(),
        *_weights(),
        *_faces(),
        _fonts(),
        _disk(),
    ]


def _python() -> Finding:
    good = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Finding(
        what="Python",
        state="ok" if good else "missing",
        text=platform.python_version(),
        cure="" if good else "use Python 3.11, 3.12 or 3.13",
        required=True,
    )


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _group(what: str, names: tuple[str, ...], extra: str, required: bool = False) -> Finding:
    found = {n: _version(n) for n in names}
    missing = [n for n, v in found.items() if v is None]
    return Finding(
        what=what,
        state="missing" if missing else "ok",
        text=f"missing {', '.join(missing)}"
        if missing
        else ", ".join(f"{n} {v}" for n, v in found.items()),
        cure=f'pip install "{extra}"' if missing else "",
        required=required,
    )


def _opencv() -> Finding:
    both = _version("opencv-python") and _version("opencv-python-headless")
    return Finding(
        what="OpenCV",
        state="note" if both else "ok",
        text="two wheels overwrite each other" if both else "one wheel",
        cure="pip uninstall opencv-python-headless && pip install --force-reinstall opencv-python"
        if both
        else "",
    )


def _decoder() -> Finding:
    from finishkit.frames import decoder_versions

    codec = decoder_versions()["libavcodec"]
    good = codec >= FFMPEG_LEAST
    return Finding(
        what="FFmpeg in PyAV",
        state="ok" if good else "note",
        text=f"libavcodec {'.'.join(map(str, codec))}",
        cure="" if good else "pip install -U av",
    )


def _encoders() -> list[Finding]:
    """Say which encoders open, in software and on a graphics card; each is tried."""
    from finishkit.frames.encoders import (
        HARDWARE_DECODERS,
        HARDWARE_ENCODERS,
        SOFTWARE_ENCODERS,
        tried,
    )

    trials = tried(*SOFTWARE_ENCODERS, *HARDWARE_ENCODERS, *HARDWARE_DECODERS)
    shut = [t for n in SOFTWARE_ENCODERS if not (t := trials[n]).opens]
    findings = [
        Finding(
            what="encoders",
            state="missing" if shut else "ok",
            text="; ".join(f"{t.name}: {t.why}" for t in shut) or ", ".join(SOFTWARE_ENCODERS),
            cure='pip install --force-reinstall "av>=18.1"' if shut else "",
            required=not trials["libx264"].opens,
        )
    ]
    for what, names, without in (
        ("NVENC", HARDWARE_ENCODERS, "delivery files are encoded on the processor"),
        ("NVDEC", HARDWARE_DECODERS, "clips are decoded on the processor"),
    ):
        found = [n for n in names if trials[n].opens]
        text = ", ".join(found) or f"none opens ({trials[names[0]].why}): {without}"
        findings.append(Finding(what=what, state="ok" if found else "note", text=text))
    return findings


def _device() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding(what="device", state="note", text="no torch: only the Lanczos draft")
    import torch

    if torch.cuda.is_available():
        from finishkit.engines.device_pass import why_not_here

        name, why = torch.cuda.get_device_name(0), why_not_here("cuda")
        stays = f"grade, grain and 4:2:0 by the processor: {why}" if why else "from net to planes"
        return Finding(what="device", state="note" if why else "ok", text=f"{name}, {stays}")
    return Finding(
        what="device",
        state="note",
        text="processor only: right for a preview and for small masters, slow for a 4K night",
    )


def _weights() -> list[Finding]:
    if importlib.util.find_spec("torch") is None:
        return []
    from finishkit.models import CARDS, find, weights_path

    findings = []
    for card in CARDS.values():
        try:
            path = weights_path(card) if card.task == "upscale" else find(card)
            findings.append(
                Finding(
                    what="weights",
                    state="ok",
                    text=f"{card.name} ({Path(path).name}); commercial use: {card.commercial}",
                )
            )
        except FinishError as error:
            findings.append(Finding(what="weights", state="note", text=str(error)))
    return findings


def _faces() -> list[Finding]:
    """Say which face backend measures, what commercial work would take, and what is better."""
    from finishkit.measure.identity import (
        backend_choices,
        choose_backend,
        faces_dir,
        load_backend,
    )

    try:
        used = load_backend(choose_backend())
        choices = backend_choices()
    except FinishError as error:
        return [Finding(what="faces", state="missing", text=str(error))]
    sold = next(choice for choice in choices if choice.commercial)
    text = f"{used.name}; {used.licence}; commercial use: {'yes' if used.commercial else 'no'}"
    findings = [Finding(what="faces", state="ok", text=text)]
    if not used.commercial:
        text = f'refused where the template says licence = "commercial"; allowed: {sold.name}'
        findings.append(Finding(what="faces, sold", state="note", text=text))
    if sold.name == "dlib":
        findings.append(
            Finding(
                what="faces, sold",
                state="note",
                text="dlib cannot tell similar faces apart; AuraFace's recogniser (fal/AuraFace-v1,"
                " glintr100.onnx, 261 MB, Apache-2.0) with YuNet (OpenCV Zoo,"
                " face_detection_yunet_2026may.onnx, MIT) can, also in work that is sold",
                cure=f"put both files into {faces_dir()}",
            )
        )
    if used.name == "dlib":
        missing = "" if _version("insightface") else ' and: pip install "finishkit[insightface]"'
        findings.append(
            Finding(
                what="faces, private",
                state="note",
                text="insightface's pack buffalo_l (det_10g.onnx, w600k_r50.onnx) tells faces apart"
                " best; non-commercial research only",
                cure=f"unpack it into {faces_dir() / 'buffalo_l'}{missing}",
            )
        )
    return findings


def _fonts() -> Finding:
    tool = shutil.which("fc-list")
    return Finding(
        what="fonts",
        state="ok" if tool else "note",
        text="fontconfig is there" if tool else "no fontconfig: reports use the browser's fonts",
    )


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    # A 60-shot episode leaves about 8 GB of mezzanines and masters (measured per frame, summed).
    good = free > 10
    return Finding(
        what="disk",
        state="ok" if good else "note",
        text=f"{free:.0f} GiB free here",
        cure="" if good else "an episode of 60 shots wants about 10 GiB",
    )

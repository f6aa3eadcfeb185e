"""B6: the whole chain, clips in, a consistent 4K episode out."""

from pathlib import Path

from bench.clips import clip
from bench.rows import OURS, Row, Workplace
from bench.sides import Spec
from finishkit.template import Draft

INSTALL = 'pip install "finishkit[reference,review]" color-matcher (Python < 3.13)'
MODEL = "realesr-animevideov3"
CRF, PRESET = 16, "veryfast"


def locked(path: Path, size_px: tuple[int, int], model: str = MODEL) -> Path:
    """Lock the baseline with a net and a size, faces left alone."""
    draft = Draft()
    for name, value in {
        "upscale.model": model,
        "faces.strength": 0.0,
        "master.width_px": size_px[0],
        "master.height_px": size_px[1],
        "master.crf": CRF,
        "master.preset": PRESET,
    }.items():
        draft.set(name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    return draft.lock().save(path)


def rows(at: Workplace) -> list[Row]:
    """Return the row."""
    import torch

    from finishkit.models import CARDS, load

    # Of ours much is what every run costs once, still at eight frames: real shots have 96.
    shots, count, size = (2, 4, (144, 256)) if at.tiny else (2, 8, (540, 960))
    if at.device == "cuda":
        shots, count = 4, 48
    episode = at.folder / "b6_ep"
    clips = [
        str(clip(episode / f"shot_{i:03d}.mp4", size, count, seed=i + 1)) for i in range(shots)
    ]
    master = (4 * size[0], 4 * size[1])
    weights = at.folder / "b6.pth"
    torch.save({"params": load(CARDS[MODEL], "cpu", torch.float32).state_dict()}, weights)
    return [
        Row(
            name="B6.chain",
            title=f"the whole chain, {size[0]}x{size[1]} to {master[0]}x{master[1]}",
            unit="shot",
            sides={
                OURS: Spec(
                    module="bench.ours.chain",
                    given={
                        "episode": str(episode),
                        "template": str(locked(at.folder / "b6.toml", master)),
                        "shots": shots,
                    },
                    units=shots,
                ),
                "realesrgan + color-matcher + moviepy": Spec(
                    module="bench.peers.chain",
                    given={
                        "clips": clips, "weights": str(weights), "model": MODEL, "crf": CRF,
                        "preset": PRESET, "device": at.device,
                    },
                    units=shots,
                    peer=True,
                    install=INSTALL,
                ),
            },
            floors={"realesrgan + color-matcher + moviepy": 3.0},
            parameters={
                "shots": shots, "frames": count, "width_px": master[0], "height_px": master[1],
                "model": MODEL, "crf": CRF, "preset": PRESET,
            },
            notes=(
                "Both are programs, started anew every time. Ours also measures every shot before"
                " and after, deflickers, sharpens, grains, checks what it wrote and writes the"
                " report; faces are left alone on both sides, since the peer's weights are not to"
                " be had here."
            ),
        )
    ]  # fmt: skip

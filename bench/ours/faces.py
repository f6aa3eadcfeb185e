"""Ours of B3: the face pass of a shot, its net GFPGAN at its real size, with random weights."""

import os
from pathlib import Path

import cv2
import numpy as np

from bench.serving import serve

CARD = "gfpgan-v1.4"
NO_LIMIT = 10.0
"""No two faces are that far apart: random weights draw none, and a pass that gave up is fast."""


def leave_weights(pth: Path) -> None:
    """Write random weights where finishkit looks for the imported ones, and a ``.pth`` of them.

    The digest of the published file is written beside them, or loading would refuse: it is a
    folder of the benchmark's own, which goes with it.
    """
    import safetensors.torch
    import torch
    from spandrel.architectures.GFPGAN import GFPGAN

    from finishkit.models import CARDS
    from finishkit.models.checkpoints import checkpoint_path
    from finishkit.models.weights import tensors_sha256

    torch.manual_seed(0)
    net = GFPGAN(
        out_size=512,
        num_style_feat=512,
        channel_multiplier=2,
        decoder_load_path=None,
        fix_decoder=False,
        num_mlp=8,
        input_is_latent=True,
        different_w=True,
        narrow=1,
        sft_half=True,
    )
    tensors = {name: t.detach().contiguous() for name, t in net.state_dict().items()}
    torch.save({"params_ema": tensors}, pth)
    card = CARDS[CARD]
    digest = tensors_sha256({name: t.float().numpy() for name, t in tensors.items()})
    told = {"source_sha256": card.source_sha256, "tensors_sha256": digest}
    path = checkpoint_path(card)
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(tensors, path, metadata=told)


class FacePass:
    """Treat the faces of a shot."""

    def prepare(self, pictures: str, weights: str, crop: str) -> dict[str, str]:
        """Load the net."""
        import torch

        from finishkit.stages.faces import Faces

        threads = int(os.environ["BENCH_THREADS"])
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        leave_weights(Path(weights))
        self._pictures, self._crop = np.load(pictures), np.load(crop)
        self._stage = Faces(
            strength=0.4, engine="gfpgan", max_identity_shift=NO_LIMIT, detect_every_frames=6
        )
        return {"engine": "gfpgan"}

    def run(self) -> dict[str, float]:
        """Treat every frame once."""
        from finishkit.frames import Frames

        notes: dict[str, float] = {}
        chunks = (
            Frames(data=picture[None], pts_s=np.array([i / 24]))
            for i, picture in enumerate(self._pictures)
        )
        count = 0
        for chunk in self._stage(chunks, notes):
            count += len(chunk.as_uint8())
        if not notes["faces.count"] or not notes["faces.strength"]:
            raise RuntimeError("no face was treated: there is nothing to compare")
        return {"frames": count, **notes}

    def save(self, path: str) -> None:
        """Keep the net's own answer to a crop."""
        from finishkit.models import CARDS
        from finishkit.models.checkpoints import load_checkpoint
        from finishkit.models.face_nets import load_face_net

        net = load_face_net(CARDS[CARD], load_checkpoint(CARDS[CARD]))
        np.save(path, net(self._crop))


if __name__ == "__main__":
    serve(FacePass())

"""Peer of B2: ``RealESRGANer.enhance``, frame by frame, as its own video script calls it."""

import contextlib
import os

import cv2
import numpy as np

from bench.peers.moved import stand_in
from bench.serving import serve


def enhancer(model, weights, device, tuned):
    """Return RealESRGANer with a net of the weights' shape."""
    import torch

    stand_in()
    from basicsr.archs.rrdbnet_arch import RRDBNet
    from realesrgan import RealESRGANer
    from realesrgan.archs.srvgg_arch import SRVGGNetCompact

    net = {
        "realesr-animevideov3": lambda: SRVGGNetCompact(3, 3, 64, 16, 4, "prelu"),
        "realesrgan-x4plus": lambda: RRDBNet(
            3, 3, scale=4, num_feat=64, num_block=23, num_grow_ch=32
        ),
        "realesrgan-x4plus-anime": lambda: RRDBNet(
            3, 3, scale=4, num_feat=64, num_block=6, num_grow_ch=32
        ),
    }[model]()
    on_gpu = device == "cuda"
    made = RealESRGANer(
        4, weights, model=net, tile=0, pre_pad=0, half=on_gpu, device=torch.device(device)
    )
    if tuned:
        torch.backends.cudnn.benchmark = True
        made.model = made.model.to(memory_format=torch.channels_last)
    return made


def has_fast_bfloat16():
    """Whether this processor computes in bfloat16."""
    import torch

    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


class Upscaling:
    """Enlarge pictures one by one."""

    def prepare(self, pictures, model, weights, device, tuned):
        """Load the net; ``tuned``: whatever a user who knows torch would switch on."""
        import torch

        threads = int(os.environ["BENCH_THREADS"])
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        self._pictures = [p[..., ::-1].copy() for p in np.load(pictures)]
        self._enhancer = enhancer(model, weights, device, tuned)
        short = tuned and device == "cpu" and has_fast_bfloat16()
        self._cast = torch.autocast("cpu", torch.bfloat16) if short else contextlib.nullcontext()
        return {
            "dtype": "bfloat16" if short else ("float16" if device == "cuda" else "float32"),
            "channels_last": tuned,
            "device": device,
        }

    def run(self):
        """Enlarge every picture once; nothing is encoded."""
        with self._cast:
            out = [self._enhancer.enhance(p, outscale=4)[0] for p in self._pictures]
        self._out = out
        return {"frames": len(out)}

    def save(self, path):
        """Keep the last answer, as R'G'B'."""
        np.save(path, np.stack([p[..., ::-1] for p in self._out]))


if __name__ == "__main__":
    serve(Upscaling())

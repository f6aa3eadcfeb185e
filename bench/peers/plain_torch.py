"""Peer of B2 where the field's packages are not to be had: their steps, in plain torch.

One frame at a time; float32 on the host, up, half precision on a GPU, eager; float32 down; clamped,
rounded and turned round on the host. The net is the textbook one, not finishkit's engine.
"""

import os

import numpy as np

from bench.serving import serve


class Upscaling:
    """Enlarge pictures one by one."""

    def prepare(self, pictures: str, model: str, device: str, **_: str) -> dict[str, str]:
        """Load the net."""
        import torch

        from finishkit.models import CARDS, load

        torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
        dtype = torch.float16 if device == "cuda" else torch.float32
        net = load(CARDS[model], device, dtype)
        self._net = net.to(memory_format=torch.contiguous_format)
        self._device, self._dtype = device, dtype
        self._pictures = np.load(pictures)
        return {"dtype": str(dtype).removeprefix("torch."), "device": device}

    def run(self) -> dict[str, int]:
        """Enlarge every picture once; nothing is encoded."""
        import torch

        self._out = []
        for picture in self._pictures:
            unit = np.ascontiguousarray((picture.astype(np.float32) / 255).transpose(2, 0, 1))
            x = torch.from_numpy(unit)[None].to(self._device).to(self._dtype)
            with torch.no_grad():
                y = self._net(x)
            host = y[0].float().cpu().clamp_(0, 1).numpy().transpose(1, 2, 0)
            self._out.append((host * 255.0).round().astype(np.uint8))
        return {"frames": len(self._out)}

    def save(self, path: str) -> None:
        """Keep the last answer."""
        np.save(path, np.stack(self._out))


if __name__ == "__main__":
    serve(Upscaling())

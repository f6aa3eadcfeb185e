"""Ours of B2: 8-bit pictures in, 8-bit pictures out, through the engine's own net."""

import os

import numpy as np

from bench.serving import serve


class Upscaling:
    """Enlarge pictures with the shared engine."""

    def prepare(
        self, pictures: str, model: str, device: str, weights: str, runtime: str = "auto"
    ) -> dict[str, str]:
        """Load the net, and leave its weights as a ``.pth`` for the peer."""
        import torch

        from finishkit.models import CARDS, load
        from finishkit.models.engine import Upscaler

        threads = int(os.environ["BENCH_THREADS"])
        torch.set_num_threads(threads)
        net = load(CARDS[model], "cpu", torch.float32)
        torch.save({"params": net.state_dict()}, weights)
        self._pictures = np.load(pictures)
        self._engine = Upscaler(CARDS[model], device=device, runtime=runtime, threads=threads)  # type: ignore[arg-type]
        return {
            "dtype": str(self._engine.dtype).removeprefix("torch."),
            "device": self._engine.device,
            "runtime": self._engine.runtime,
        }

    def run(self) -> dict[str, int]:
        """Enlarge every picture once; nothing is encoded."""
        self._out = self._engine.from_codes(self._pictures)
        return {"frames": len(self._out), "vram_peak_bytes": self._vram()}

    def _vram(self) -> int:
        import torch

        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0

    def save(self, path: str) -> None:
        """Keep the last answer."""
        np.save(path, self._out)


if __name__ == "__main__":
    serve(Upscaling())

"""Peer of B3: ``GFPGANer.enhance``, end to end, its three nets with random weights.

Random weights find no face. The detector runs all the same, at full size as in the package, and its
time counts; then the place of the face is given.
"""

import os
import time

import cv2
import numpy as np

from bench.peers.moved import stand_in
from bench.serving import serve


class FacePass:
    """Restore the faces of pictures one by one."""

    def prepare(self, pictures, weights, crop, landmarks, device):
        """Build GFPGANer round nets that need no download."""
        import torch

        stand_in()
        from facexlib.detection.retinaface import RetinaFace
        from facexlib.parsing.parsenet import ParseNet
        from facexlib.utils import face_restoration_helper as helper
        from gfpgan import GFPGANer

        threads = int(os.environ["BENCH_THREADS"])
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        torch.manual_seed(0)
        helper.init_detection_model = lambda *_, **__: (
            RetinaFace("resnet50", half=False, device=device).eval().to(device)
        )
        helper.init_parsing_model = lambda **_: (
            ParseNet(in_size=512, out_size=512, parsing_ch=19).eval().to(device)
        )
        made = GFPGANer(weights, upscale=1, device=torch.device(device))
        self._parts = {"detect_s": 0.0, "restore_s": 0.0, "parse_s": 0.0}
        face = made.face_helper
        face.face_det.detect_faces = self._timed(face.face_det.detect_faces, "detect_s")
        made.gfpgan.forward = self._timed(made.gfpgan.forward, "restore_s")
        face.face_parse.forward = self._timed(face.face_parse.forward, "parse_s")
        points = [np.array(five, np.float64) for five in landmarks]

        def given(**_):
            with torch.no_grad():
                face.face_det.detect_faces(face.input_img, 0.97)
            face.all_landmarks_5 = [points[self._at]]
            face.det_faces = [np.array([0, 0, 1, 1, 1.0])]
            return 1

        face.get_face_landmarks_5 = given
        self._made, self._at = made, 0
        self._pictures = [p[..., ::-1].copy() for p in np.load(pictures)[: len(points)]]
        self._crop = np.load(crop)

    def _timed(self, call, part):
        def timed(*args, **kwargs):
            begun = time.perf_counter()
            answer = call(*args, **kwargs)
            self._parts[part] += time.perf_counter() - begun
            return answer

        return timed

    def run(self):
        """Restore every picture once, and tell where the time went."""
        self._parts.update(dict.fromkeys(self._parts, 0.0))
        begun = time.perf_counter()
        for i, picture in enumerate(self._pictures):
            self._at = i
            self._made.enhance(picture, paste_back=True)
        whole = time.perf_counter() - begun
        parts = {name: seconds / len(self._pictures) for name, seconds in self._parts.items()}
        rest = whole / len(self._pictures) - sum(parts.values())
        return {"frames": len(self._pictures), **parts, "warp_and_paste_s": rest}

    def save(self, path):
        """Keep the net's own answer to a crop, with the noise left out as finishkit leaves it."""
        import torch

        device = next(self._made.gfpgan.parameters()).device
        # Planes in order: the package's net views its features as they lie.
        planes = np.ascontiguousarray(self._crop.transpose(2, 0, 1)[None])
        x = torch.from_numpy(planes * 2 - 1).to(device)
        with torch.no_grad():
            y = self._made.gfpgan(x, return_rgb=False, randomize_noise=False)[0]
        face = (y[0].float().cpu().numpy().transpose(1, 2, 0) + 1) / 2
        np.save(path, np.clip(face, 0, 1))


if __name__ == "__main__":
    serve(FacePass())

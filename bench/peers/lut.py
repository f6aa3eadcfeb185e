"""Peer of B4: FFmpeg's ``lut3d`` in a filter graph of its own, which takes all processors."""

import av
import av.filter
import numpy as np

from bench.serving import serve


class Table:
    """Send frames through a table."""

    def prepare(self, pictures, cube, frames):
        """Take the pictures and the table."""
        self._pictures, self._frames = np.load(pictures), frames
        height, width = self._pictures.shape[1:3]
        self._graph = av.filter.Graph()
        self._graph.threads = 0
        size = {"width": width, "height": height}
        source = self._graph.add_buffer(**size, format="rgb24", time_base="1/24")
        table = self._graph.add("lut3d", f"file={cube}:interp=trilinear")
        sink = self._graph.add("buffersink")
        source.link_to(table)
        table.link_to(sink)
        self._graph.configure()
        self._count = 0

    def run(self):
        """Push every frame, and pull what comes of it."""
        self._out = []
        for i in range(self._frames):
            frame = av.VideoFrame.from_ndarray(
                self._pictures[i % len(self._pictures)], format="rgb24"
            )
            frame.pts = self._count
            self._count += 1
            self._graph.push(frame)
            picture = self._graph.pull().to_ndarray()
            if len(self._out) < len(self._pictures):
                self._out.append(picture)
        return {"frames": self._frames}

    def save(self, path):
        """Keep the first frames."""
        np.save(path, np.stack(self._out))


if __name__ == "__main__":
    serve(Table())

"""Files that attempts on other machines have written, until the coordinator has taken them over."""

import contextlib
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from finishkit.engines.errand import ClusterError

SHARED_S: Final = 60.0
"""A network folder shows a file that another machine has written after so long at the latest."""


def take_over(own: Path, size_bytes: int, part: Path) -> None:
    """Give what the winner has written the name that is going to be committed."""
    deadline = time.monotonic() + SHARED_S
    while not (own.exists() and own.stat().st_size == size_bytes):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"A worker has written {own}, and this machine does not see it after"
                f" {SHARED_S:.0f} s. Is {own.parent} one shared folder on all machines?",
                "not_shared",
            )
        time.sleep(0.2)
    own.replace(part)


def sweep(part: Path) -> None:
    """Remove what attempts have left that did not win."""
    for left in part.parent.glob(f"{part.stem}-*{part.suffix}"):
        left.unlink(missing_ok=True)


@contextlib.contextmanager
def probed(folders: set[Path]) -> Iterator[dict[Path, tuple[Path, str]]]:
    """Leave a note in every folder that is written to, for workers to prove that they see it."""
    probes = {f: (f / f".probe-{secrets.token_hex(8)}.part", secrets.token_hex(16))
              for f in folders}  # fmt: skip
    try:
        for path, said in probes.values():
            path.write_text(said, encoding="utf-8")
        yield probes
    finally:
        for path, _ in probes.values():
            path.unlink(missing_ok=True)

"""The delivery file of an episode: its finished shots encoded side by side, and joined."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finishkit.deliver.codecs import Choice, jobs_at_once
from finishkit.deliver.finished import FinishedEpisode, FinishedShot, finished_episode
from finishkit.deliver.shot import ShotJob, ShotResult, encode_shot, require_count, require_signs
from finishkit.engines import open_engine
from finishkit.environment import environment
from finishkit.errors import FinishError
from finishkit.frames import decode_report
from finishkit.frames.join import join_under_track
from finishkit.hold import held_by_batch
from finishkit.pause import Paused, forget_pause, pause_requested
from finishkit.progress import Progress
from finishkit.store import Store, digest, require_unchanged
from finishkit.values import Value

DELIVERY_VERSION = 1
"""Raised when the same settings give other bytes: it is part of every key."""


class Delivered(Value):
    """One delivery file, and what is known of it.

    Attributes
    ----------
    episode, file, codec, encoder : str
        ``file`` is its path.
    crf : int
    bytes : int
    frame_count : int
    duration_s : float
    master_bytes : int
    ssim_mean, ssim_least : float
        Against the master, luma, every twelfth frame of each shot.
    least_shot : str
        The shot of ``ssim_least``.
    encoded, standing : int
        Shots that were encoded in this run, and those that stood from an earlier one.
    left_out : tuple of (str, str)
        Quarantined shots and why: neither the master nor this file has them.
    regenerate : tuple of str
        Shots that are in, though the report asks to generate them again.
    """

    episode: str
    file: str
    codec: str
    encoder: str
    crf: int
    bytes: int
    frame_count: int
    duration_s: float
    master_bytes: int
    ssim_mean: float
    ssim_least: float
    least_shot: str
    encoded: int
    standing: int
    left_out: tuple[tuple[str, str], ...] = ()
    regenerate: tuple[str, ...] = ()

    @property
    def rate_mbit_s(self) -> float:
        """Megabits a second."""
        return self.bytes * 8e-6 / self.duration_s


def deliver_episode(
    folder: Path,
    choice: Choice,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Delivered:
    """Make the delivery file of a finished episode; what stands from an earlier run is used.

    Each shot is committed as soon as it is encoded, so that a run that was killed goes on where it
    was. The report and the master stay as they are.

    Parameters
    ----------
    folder : Path
        The episode's output folder.
    choice : Choice
        See :func:`finishkit.deliver.codecs.choose`.
    jobs : int, optional
        Shots side by side; see :func:`finishkit.deliver.codecs.jobs_at_once`.
    progress : Progress, optional
        Told of every shot.

    Returns
    -------
    delivered : Delivered

    Raises
    ------
    Paused
        When somebody asked for it: the shots under way were encoded, and calling again goes on.
    FinishError
        ``not_finished``, ``no_folder``, ``locked``; ``not_delivered`` naming the shots that could
        not be encoded.
    """
    finished_episode(folder)
    store = Store(folder)
    with held_by_batch([folder]), store.locked():
        forget_pause(folder)
        # Again, now that nobody else can change it.
        return _Delivery(store, finished_episode(folder), choice, progress or Progress()).made(jobs)


def shots_to_encode(episode: FinishedEpisode, choice: Choice) -> list[FinishedShot]:
    """Return the shots that a delivery would encode now; what stands is read, nothing is written.

    Parameters
    ----------
    episode : FinishedEpisode
        As read from its folder.
    choice : Choice
        How it would be encoded.
    """
    delivery = _Delivery(Store(episode.folder), episode, choice, Progress())
    whole = delivery.store.current(delivery.name, delivery.whole_key)
    return delivery.waiting(cleaned_may_stay=whole is not None)


class _Delivery:
    """One episode, one choice, one call."""

    def __init__(
        self, store: Store, episode: FinishedEpisode, choice: Choice, say: Progress
    ) -> None:
        self.store, self.episode, self.choice, self.say = store, episode, choice, say
        self.encoding = choice.encoding(episode.rate_fps)
        self.label = f"{episode.name} {choice.codec}"
        self.name = f"delivery/{episode.name}_{choice.codec}.mp4"
        self.keys = {shot.shot: self._key(shot) for shot in episode.shots}
        # Of what the shots are made from and not of their files, which may be cleaned away.
        self.whole_key = digest(
            "delivery", DELIVERY_VERSION, list(self.keys.values()), episode.master_sha256,
            episode.rate_fps,
        )  # fmt: skip

    def made(self, jobs: int | None) -> Delivered:
        whole = self.store.current(self.name, self.whole_key)
        waiting = self.waiting(cleaned_may_stay=whole is not None)
        self._encode(waiting, jobs)
        if whole is None:
            self._join()
        return self._told(len(waiting))

    def _key(self, shot: FinishedShot) -> str:
        return digest(
            "delivery shot", DELIVERY_VERSION, shot.sha256, self.encoding, environment()["av"]
        )

    def _part_name(self, shot: FinishedShot) -> str:
        # Under work: once it is joined, ``finishkit clean`` may take it.
        return f"work/delivery_{self.choice.codec}/{shot.shot}.mp4"

    def waiting(self, *, cleaned_may_stay: bool) -> list[FinishedShot]:
        """Return the shots that must be encoded; a recorded file that was harmed is made again."""
        recorded = self.store.manifest().entries
        waiting = []
        for shot in self.episode.shots:
            name = self._part_name(shot)
            if cleaned_may_stay and name not in recorded:
                continue
            if self.store.current(name, self.keys[shot.shot]) is None:
                waiting.append(shot)
        return waiting

    def _encode(self, waiting: Sequence[FinishedShot], jobs: int | None) -> None:
        total = len(self.episode.shots)
        done = total - len(waiting)
        self.say("stage", stage=self.label, total=total)
        if not waiting:
            self.say("skip", stage=self.label, done=total, total=total)
            return
        failed: list[FinishError] = []
        names = {shot.shot: self._part_name(shot) for shot in waiting}
        width = jobs_at_once(self.choice, jobs)
        engine = open_engine("local", width, lambda: pause_requested(self.store.root))
        try:
            work = [self._job(shot) for shot in waiting]
            for job, result in engine.map(encode_shot, work, jobs=width):
                if isinstance(result, Exception):
                    failed.append(self._failure(job, result))
                    continue
                self._take(names[job.shot], job, result)
                done += 1
                self.say("shot", stage=self.label, shot=job.shot, done=done, total=total)
        except Paused:
            raise self._paused(done) from None
        finally:
            engine.close()
        if failed:
            raise FinishError(
                f"{self.label}: {len(failed)} of {total} shots could not be encoded, the others"
                f" stand. {' '.join(str(error) for error in failed)}",
                "not_delivered",
            )

    def _failure(self, job: ShotJob, error: Exception) -> FinishError:
        # Here, because they bring every stage with them: four times what delivering itself loads.
        from finishkit.artefact import as_finish_error, stop_if_disk_full

        job.part.unlink(missing_ok=True)
        stop_if_disk_full(error, self.store.root)
        return as_finish_error(job.shot, error)

    def _job(self, shot: FinishedShot) -> ShotJob:
        return ShotJob(
            shot=shot.shot,
            source=shot.path,
            sha256=shot.sha256,
            part=self.store.part(self._part_name(shot)),
            frame_count=shot.frame_count,
            rate_fps=self.episode.rate_fps,
            codec=self.choice.codec,
            encoding=self.encoding,
        )

    def _take(self, name: str, job: ShotJob, result: ShotResult) -> None:
        self.store.commit(
            name,
            key=self.keys[job.shot],
            # Decoded to its end by the worker; here only that it is still those bytes.
            check=lambda path: require_unchanged(path, result.sha256),
            facts={
                "frame_count": job.frame_count,
                "ssim_mean": round(result.ssim_mean, 6),
                "ssim_least": round(result.ssim_least, 6),
                "elapsed_s": round(result.elapsed_s, 3),
            },
        )

    def _join(self) -> None:
        stage = "join and check"
        if pause_requested(self.store.root):
            raise self._paused(len(self.episode.shots))
        self.say("stage", stage=stage, total=1)
        episode = self.episode
        names = [self._part_name(shot) for shot in episode.shots]
        inputs = {
            episode.master: episode.master_sha256,
            **{self.store.path(name): self.store.entry(name).sha256 for name in names},
        }
        self._require_unchanged(inputs)
        count = join_under_track(
            self.store.part(self.name),
            [self.store.path(name) for name in names],
            episode.master,
            rate_fps=episode.rate_fps,
        )
        self._require_unchanged(inputs)
        require_count(episode.name, episode.frame_count, count)
        self.store.commit(
            self.name, key=self.whole_key, check=self._check, facts=self._facts(names)
        )
        self.say("shot", stage=stage, done=1, total=1)

    def _check(self, path: Path) -> None:
        seen = decode_report(path)
        require_count(path.name, self.episode.frame_count, seen.frame_count)
        if seen.error or not seen.increasing:
            raise FinishError(
                f"{path.name} cannot be read back: {seen.error or 'its times do not increase'}. Is"
                " the disk full or failing?",
                "lost_frames",
            )
        require_signs(
            path, self.choice.codec, self.encoding, self.episode.frame_count, self.episode.rate_fps
        )

    def _facts(self, names: Sequence[str]) -> dict[str, Any]:
        shots = zip(self.episode.shots, names, strict=True)
        facts = {shot.shot: self.store.entry(name).facts for shot, name in shots}
        least = min(facts, key=lambda shot: facts[shot]["ssim_least"])
        frames = self.episode.frame_count
        mean = sum(f["ssim_mean"] * f["frame_count"] for f in facts.values()) / frames
        return {
            "frame_count": frames,
            "rate_fps": str(self.episode.rate_fps),
            "encoder": self.choice.encoder,
            "crf": self.choice.crf,
            "ssim_mean": round(mean, 6),
            "ssim_least": facts[least]["ssim_least"],
            "least_shot": least,
        }

    def _require_unchanged(self, inputs: Mapping[Path, str]) -> None:
        for path, sha256 in inputs.items():
            require_unchanged(path, sha256)

    def _paused(self, done: int) -> Paused:
        return Paused(
            f"{self.label} is paused: {done} of {len(self.episode.shots)} shots are encoded, and"
            " kept. Run the same command again to go on.",
            "paused",
        )

    def _told(self, encoded: int) -> Delivered:
        entry = self.store.entry(self.name)
        facts = entry.facts
        return Delivered(
            episode=self.episode.name,
            file=str(self.store.path(self.name)),
            codec=self.choice.codec,
            encoder=facts["encoder"],
            crf=facts["crf"],
            bytes=entry.bytes,
            frame_count=facts["frame_count"],
            duration_s=self.episode.duration_s,
            master_bytes=self.episode.master.stat().st_size,
            ssim_mean=facts["ssim_mean"],
            ssim_least=facts["ssim_least"],
            least_shot=facts["least_shot"],
            encoded=encoded,
            standing=len(self.episode.shots) - encoded,
            left_out=self.episode.left_out,
            regenerate=self.episode.regenerate,
        )

"""How should it look: a draft is tuned, a template is locked, every shot gets the same one."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from finishkit import luts, untrusted
from finishkit.brought import own_sha256, require_same_net
from finishkit.errors import FinishError
from finishkit.luts import LUTS, canonical_sha256
from finishkit.settings import (
    DeflickerSettings,
    FacesSettings,
    GatesSettings,
    GradeSettings,
    GrainSettings,
    InterpolateSettings,
    MasterSettings,
    OneLine,
    SharpenSettings,
    StabiliseSettings,
    UpscaleSettings,
    Weights,
)
from finishkit.tomls import TomlFile, as_toml, complaint, read_toml, unknown
from finishkit.values import Value
from finishkit.verdict import Limits

SCHEMA_VERSION = 1


class Look(Value):
    """Everything a template holds besides its seal."""

    schema_version: Literal[1] = SCHEMA_VERSION
    genre: Annotated[str, Field(max_length=60, pattern=r"^[\w][\w \-]*$")] = "baseline"
    hero: Annotated[OneLine, Field(max_length=100)] = ""
    """The shot the template was tuned on; empty: none."""
    licence: Literal["any", "commercial"] = "any"
    """``commercial`` refuses models whose licence does not clearly allow commercial work."""
    faces: FacesSettings = FacesSettings()
    deflicker: DeflickerSettings = DeflickerSettings()
    stabilise: StabiliseSettings = StabiliseSettings()
    interpolate: InterpolateSettings = InterpolateSettings()
    sharpen: SharpenSettings = SharpenSettings()
    upscale: UpscaleSettings = UpscaleSettings()
    grade: GradeSettings = GradeSettings()
    grain: GrainSettings = GrainSettings()
    master: MasterSettings = MasterSettings()
    gates: GatesSettings = GatesSettings()
    limits: Limits = Limits()
    weights: Weights = Weights()

    @property
    def sha256(self) -> str:
        """Digest of the canonical JSON of all settings; of a LUT its content, not its place."""
        return canonical_sha256(self.model_dump(mode="json"))


SECTIONS = (
    "faces",
    "deflicker",
    "stabilise",
    "interpolate",
    "sharpen",
    "upscale",
    "grade",
    "grain",
    "master",
    "gates",
    "limits",
    "weights",
)
"""The tables of a template file, stages in the order in which they run."""


class Template(Look):
    """A locked look: the same settings for every shot, sealed by a digest.

    Made by :meth:`Draft.lock` or read by :func:`load_template`; there is no unlocking, only
    :meth:`Draft.from_template`.
    """

    def save(self, path: str | Path) -> Path:
        """Write the template and its seal as TOML, and its LUT files beside it.

        Parameters
        ----------
        path : str or Path
            Overwritten when it exists.

        Returns
        -------
        path : Path

        Raises
        ------
        FinishError
            ``lut_missing`` or ``lut_changed``, for a file that was there when it was locked.
        """
        target = Path(path)
        grade = self.grade.replace(
            **{name: luts.carry(self.grade, name, target.parent) for name in LUTS}
        )
        values = self.replace(grade=grade).model_dump(mode="json")
        text = as_toml(values)
        sealed = json.dumps(values, indent=0, sort_keys=True)
        text += (
            "\n# The seal. finishkit refuses this file when anything above was changed after"
            " locking;\n# to change a setting, lock again (finishkit lock, or Duplicate in the"
            f" tuner).\n[lock]\nsha256 = \"{self.sha256}\"\nvalues = '''\n{sealed}'''\n"
        )
        part = target.with_name(f".{target.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(target)
        return target


class Draft:
    """A look being tuned: the one mutable noun. Every change is checked at once.

    Parameters
    ----------
    look : Look, optional
        Where to start; the baseline by default.
    """

    def __init__(self, look: Look | None = None) -> None:
        self._look = look or Look()
        self._start = self._look

    @classmethod
    def from_genre(cls, genre: str) -> "Draft":
        """Start from a genre; see :func:`genres` for the names."""
        return cls(load_genre(genre))

    @classmethod
    def from_template(cls, template: Template) -> "Draft":
        """Start from a locked template: a duplicate that may be changed."""
        return cls(Look.model_validate(template.model_dump()))

    def copy(self) -> "Draft":
        """Return a draft of its own, with the same settings and the same start."""
        twin = Draft(self._start)
        twin._look = self._look
        return twin

    @property
    def look(self) -> Look:
        """The settings as they stand."""
        return self._look

    def get(self, path: str) -> Any:
        """Return one setting by its dotted name, such as ``faces.strength``."""
        section, _, key = path.rpartition(".")
        owner = getattr(self._look, section, None) if section else self._look
        if owner is None or key not in type(owner).model_fields:
            raise FinishError(_unknown_setting(path), "unknown_setting")
        return getattr(owner, key)

    def set(self, path: str, value: Any) -> None:
        """Change one setting by its dotted name.

        Parameters
        ----------
        path : str
            Such as ``grade.saturation``, or ``hero``.
        value : object
            Text is read as the setting's own type, so that ``"0.5"`` does.

        Raises
        ------
        FinishError
            For an unknown name (the message lists the known ones) or a value out of bounds.
        """
        self.get(path)
        section, _, key = path.rpartition(".")
        try:
            if section:
                changed = getattr(self._look, section).replace(**{key: value})
                self._look = self._look.replace(**{section: changed})
            else:
                self._look = self._look.replace(**{key: value})
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise FinishError(f"{path} = {value!r} will not do: {why}.", "bad_setting") from error

    def reset(self, path: str) -> None:
        """Put one setting back to where the draft started."""
        self.set(path, Draft(self._start).get(path))

    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Return what differs from the start: dotted name to (was, is)."""
        return difference(self._start.model_dump(mode="json"), self._look.model_dump(mode="json"))

    def lock(self, *, hero: str = "") -> Template:
        """Return the frozen template.

        Parameters
        ----------
        hero : str, optional
            The shot the draft was tuned on, kept in the template.

        Raises
        ------
        FinishError
            ``lut_missing`` when a LUT that the draft names cannot be read; ``bad_card`` when the
            card of a net of the user's cannot.
        """
        values = self._look.model_dump()
        values["grade"] |= {f"{n}_sha256": luts.digest(values["grade"][n]) for n in LUTS}
        values["upscale"] |= {"model_sha256": own_sha256(values["upscale"]["model"])}
        return Template.model_validate({**values, "hero": hero or values["hero"]})


def difference(
    before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = ""
) -> dict[str, tuple[Any, Any]]:
    """Return the leaves in which two nested tables differ.

    Parameters
    ----------
    before, after : Mapping
        As of ``model_dump``.
    prefix : str, optional
        Put before every name.

    Returns
    -------
    changes : dict of str to (before, after)
        Keyed by dotted name; a missing side is ``None``.
    """
    changes: dict[str, tuple[Any, Any]] = {}
    for key in [*before, *(k for k in after if k not in before)]:
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changes |= difference(old, new, f"{prefix}{key}.")
        elif old != new:
            changes[prefix + key] = (old, new)
    return changes


def genres() -> tuple[str, ...]:
    """Return the names of the genres that ship with finishkit, the baseline first."""
    names = sorted(
        entry.name.removesuffix(".toml")
        for entry in resources.files("finishkit.genres").iterdir()
        if entry.name.endswith(".toml")
    )
    return ("baseline", *(n for n in names if n != "baseline"))


def load_genre(name: str) -> Look:
    """Read a genre's starting values.

    Raises
    ------
    FinishError
        For an unknown genre; the message lists the known ones.
    """
    if name not in genres():
        raise FinishError(
            f"There is no genre {name!r}. There are: {', '.join(genres())}.", "unknown_genre"
        )
    text = (resources.files("finishkit.genres") / f"{name}.toml").read_text(encoding="utf-8")
    return Look.model_validate(tomllib.loads(text))


def load_template(path: str | Path) -> Template:
    """Read a locked template.

    Parameters
    ----------
    path : str or Path
        As written by :meth:`Template.save`.

    Returns
    -------
    template : Template

    Raises
    ------
    FinishError
        ``not_locked``; ``edited_after_lock`` with every changed setting; ``bad_template`` with
        the line and the setting, also for a LUT outside the template's folder;
        ``template_too_large``; ``no_template``; ``weights_changed`` when another net of the
        user's bears the name of the one it was locked with.
    """
    source = Path(path)
    file = _read(source)
    lock = file.table.pop("lock", None)
    if not isinstance(lock, dict) or not isinstance(lock.get("sha256"), str):
        raise FinishError(
            f"{source} is not locked. Lock it with: finishkit lock EPISODE --from {source}"
            " -o LOCKED.toml",
            "not_locked",
        )
    template = Template.model_validate(_look(file).model_dump())
    changed = _changed_since(lock, template, source)
    if changed is None or changed:
        changed = changed or {}
        listed = "".join(
            f"\n  line {file.line(k.split('.'))}: {k}: {was!r} -> {now!r}"
            for k, (was, now) in changed.items()
        )
        raise FinishError(
            f"{source} was changed after it was locked:{listed or ' its seal does not fit.'}\n"
            "Undo the change, or lock it anew: finishkit lock EPISODE --from "
            f"{source} -o NEW.toml",
            "edited_after_lock",
        )
    for name in LUTS:
        luts.check(template.grade, name)
    require_same_net(template.upscale.model, template.upscale.model_sha256)
    return template


def _changed_since(
    lock: dict[str, Any], template: Template, source: Path
) -> dict[str, tuple[Any, Any]] | None:
    """Return what differs from what was sealed; None when the seal itself was tampered with.

    A setting that did not exist yet when the template was locked has its default on both sides.
    """
    try:
        sealed = untrusted.parse_json(lock["values"])
        if canonical_sha256(sealed) != lock["sha256"]:
            return None
        before = _look(TomlFile(path=source, table=sealed, text=""))
    except (FinishError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return difference(luts.without_names(before.model_dump(mode="json")),
                      luts.without_names(template.model_dump(mode="json")))  # fmt: skip


def load_look(path: str | Path) -> Look:
    """Read settings without asking for a seal, to start a draft from; see :func:`load_template`."""
    file = _read(Path(path))
    file.table.pop("lock", None)
    return _look(file)


def _read(source: Path) -> TomlFile:
    return read_toml(
        source,
        missing="no_template",
        large="template_too_large",
        broken="bad_template",
        what="template",
    )


def _look(file: TomlFile) -> Look:
    version = file.table.get("schema_version", SCHEMA_VERSION)
    if type(version) is int and version != SCHEMA_VERSION:
        raise FinishError(
            f"{file.path}, line {file.line(['schema_version'])}, has schema_version"
            f" {untrusted.shown(version)}; this finishkit reads {SCHEMA_VERSION}."
            " Update finishkit.",
            "bad_template",
        )
    try:
        look = Look.model_validate(file.table)
    except ValidationError as error:
        told = complaint(file, error, Look, tuple(_leaves("")))
        raise FinishError(told, "bad_template") from error
    # Named from the template's folder, whatever folder one works in.
    found = {n: _placed(file, n, getattr(look.grade, n)) for n in LUTS}
    return look.replace(grade=look.grade.replace(**found))


def _placed(file: TomlFile, setting: str, name: str) -> str:
    if not luts.lies_inside(name, file.path.parent):
        raise FinishError(
            f"{file.path}, line {file.line(['grade', setting])}: grade.{setting} ="
            f" {untrusted.shown(name)}: a template names only files of its own folder. Copy the"
            " .cube beside it.",
            "bad_template",
        )
    return luts.placed(name, file.path.parent)


def _unknown_setting(path: str) -> str:
    return unknown(path, tuple(_leaves("")))


def _leaves(section: str) -> Iterator[str]:
    for name, field in Look.model_fields.items():
        if name in SECTIONS:
            if section in ("", name) and isinstance(field.default, Value):
                yield from (f"{name}.{key}" for key in type(field.default).model_fields)
        elif not section:
            yield name

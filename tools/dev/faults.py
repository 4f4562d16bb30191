"""Inject faults into everything that is read and written, and check what comes of each.

    python tools/dev/faults.py --write docs/reliability.md
    python tools/dev/faults.py --only plan --every 5

A fault is a broken or hostile file, or a path that cannot be written, given to a command. What is
promised: the command reads it, or refuses it in one line with exit code 2, within ten seconds, and
nothing that the file says is executed. The table in docs/reliability.md comes from a full run.
"""

import argparse
import base64
import codecs
import contextlib
import gzip
import io
import json
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Union

sys.path.insert(0, str(Path(__file__).parents[2]))

import cv2
import numpy as np
import torch

from mmdet_spatialattn.cli import main
from mmdet_spatialattn.coco.convert import FORMATS
from tests.coco import test_convert
from tests.experiments.sets import BASELINE, CBAM, finish, save_weights, small_plan, small_scenes

LIMIT = 10
"""Seconds that a command may take; it is stopped after three times as many."""

READ, REFUSED = 'read', 'refused in one line'
"""Outcomes that are promised."""

TRACEBACK, HANG, EXECUTED, OTHER = 'traceback', 'hang', 'executed', 'other'
"""Outcomes that are not."""

CANARY = 'executed'


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        category: What is attacked.
        name: How.
        inject: Makes the fault in an empty folder, and returns the arguments of the command.
        promise: The outcomes that are right.
    """

    category: str
    name: str
    inject: Callable[[Path], list]
    promise: tuple[str, ...] = (READ, REFUSED)


@dataclass(frozen=True)
class Outcome:
    """What came of a fault: one of the outcomes above, and the details."""

    kind: str
    seconds: float
    text: str


Spoil = Callable[[Path, bytes], None]


def _bytes(change: Callable[[bytes], bytes]) -> Spoil:
    return lambda path, data: path.write_bytes(change(data))


def _link(path: Path, data: bytes, to: str) -> None:
    path.symlink_to(to)


SPOILS: dict[str, Spoil] = {
    'absent': lambda path, data: None,
    'empty': _bytes(lambda data: b''),
    'half': _bytes(lambda data: data[: len(data) // 2]),
    'without its last byte': _bytes(lambda data: data.rstrip()[:-1]),
    'random bytes': _bytes(lambda data: random.Random(0).randbytes(1000)),
    'zeros': _bytes(lambda data: bytes(1000)),
    'a folder': lambda path, data: path.mkdir(),
    'a pipe': lambda path, data: os.mkfifo(path),
    'an endless device': partial(_link, to='/dev/zero'),
    'a link to itself': lambda path, data: path.symlink_to(path),
    'a web page': _bytes(lambda data: b'<!DOCTYPE html><html>404</html>'),
    'a pointer of Git LFS': _bytes(lambda data: b'version https://git-lfs.github.com/spec/v1\nx'),
    'null': _bytes(lambda data: b'null'),
    'a number': _bytes(lambda data: b'7'),
    'a text': _bytes(lambda data: b'"text"'),
    'a list of null': _bytes(lambda data: b'[null]'),
    'an empty object': _bytes(lambda data: b'{}'),
    'nested 100,000 deep': _bytes(lambda data: b'[' * 100_000 + b']' * 100_000),
    'a number of 5,000 digits': _bytes(lambda data: b'9' * 5000),
    'NaN': _bytes(lambda data: b'NaN'),
    'a gzip bomb': _bytes(lambda data: gzip.compress(b' ' * 2**27)),
    'half of a gzip file': _bytes(lambda data: gzip.compress(data)[:-9]),
    'not UTF-8': _bytes(lambda data: data[:20] + b'\xff\xfe' + data[20:]),
    'UTF-16 cut in a character': _bytes(lambda data: codecs.BOM_UTF16_LE + data[:21]),
}
"""Ways to spoil a file, given its path and what it should hold."""

VALUES: list[Any] = [
    *(None, True, -1, 0, 2**70, 1e308, float('nan'), float('inf'), '', 'x', '../../x', '\0'),
    *([], [None], [[]], {}, {'x': 1}, [1, 2, 3, 4, 5], 'é' * 300),
]
"""Values that take the place of another in a file."""


def everything() -> Iterator[Fault]:
    """Yield all faults."""
    with tempfile.TemporaryDirectory() as name:
        base = Base(Path(name))
        yield from _spoilt_files(base)
        yield from _changed_values(base)
        yield from _outputs(base)
        yield from _images(base)
        yield from _checkpoints(base)
        yield from _formats()
        yield from _sweep_folders(base)


class Base:
    """What is whole: a small data set, detections, a checkpoint, and a finished sweep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scenes = small_scenes(folder / 'scenes')
        self.annotations = self.scenes / 'annotations/val.json'
        truth = json.loads(self.annotations.read_text())
        rows = [
            {**{key: row[key] for key in ('image_id', 'category_id', 'bbox')}, 'score': 1 / (1 + i)}
            for i, row in enumerate(truth['annotations'])
        ]
        self.detections = self._written('detections.json', json.dumps(rows))
        self.others = self._written('others.json', json.dumps(rows[1:]))
        self.plan = {
            'name': 'small', 'baseline': 'plain', 'seeds': [0, 1], 'dose': 'level',
            'group_by': 'scene', 'n_boot': 100, 'overrides': {'data_root': str(self.scenes)},
            'arms': {'plain': str(BASELINE), 'cbam': {'config': str(CBAM)}},
        }  # fmt: skip
        self.plan_file = self._written('plan.json', json.dumps(self.plan))
        self.weights = folder / 'weights.pth'
        save_weights(BASELINE, '0123456789', self.weights)
        self.sweep = folder / 'sweep'
        finish(small_plan(self.scenes), self.sweep, self.scenes, {'plain': 6, 'cbam': 3})
        self._written('sweep/sweep.json', json.dumps({'plan': 'small'}))
        with contextlib.redirect_stdout(io.StringIO()):
            assert (
                main(['sweep', str(self.plan_file), '--collect', '--work-dir', str(self.sweep)])
                == 0
            )

    def _written(self, name: str, text: str) -> Path:
        (self.folder / name).write_text(text)
        return self.folder / name

    def readers(self) -> dict[str, tuple[Path, Callable[[Path, Path], list]]]:
        """Return by name a file, and the command that reads it: of the file and an empty folder."""
        ann, others = str(self.annotations), str(self.others)
        found, few = str(self.detections), ['--n-boot', '100']
        inject = ['--images', self.scenes / 'images', '--severity', '1', '--out']
        return {
            'annotations of compare': (
                self.annotations,
                lambda file, _: ['compare', file, found, others, *few],
            ),
            'detections of compare': (
                self.detections,
                lambda file, _: ['compare', ann, others, file, *few],
            ),
            'annotations of clutter': (self.annotations, lambda file, _: ['clutter', file]),
            'annotations of convert': (self.annotations, lambda file, _: ['convert', 'coco', file]),
            'annotations of inject': (
                self.annotations,
                lambda file, folder: ['inject', file, *inject, folder / 'new'],
            ),
            'verdict of power': (
                self.sweep / 'verdict.json',
                lambda file, _: ['power', file.parent],
            ),
            'plan of power': (self.plan_file, lambda file, _: ['power', file]),
        }


def _at(folder: Path, original: Path, spoil: Spoil) -> Path:
    """Return the path of a spoilt copy of a file."""
    path = folder / original.name
    spoil(path, original.read_bytes())
    return path


def _spoilt_files(base: Base) -> Iterator[Fault]:
    for reader, (original, command) in base.readers().items():
        for name, spoil in {'nothing': _bytes(bytes), **SPOILS}.items():

            def inject(folder, original=original, command=command, spoil=spoil):
                (folder / 'in').mkdir()
                return command(_at(folder / 'in', original, spoil), folder)

            whole = name == 'nothing' and reader != 'plan of power'  # which has no pilot
            yield Fault(reader, name, inject, (READ,) if whole else (REFUSED,))


def _changed_values(base: Base) -> Iterator[Fault]:
    """Yield files in which one value, chosen at random, is another."""
    for reader, (original, command) in base.readers().items():
        data = json.loads(original.read_text())
        for number in range(60):
            rng = random.Random(f'{reader} {number}')
            changed = json.loads(json.dumps(data))
            where = _change(changed, rng)

            def inject(folder, changed=changed, original=original, command=command):
                (folder / 'in').mkdir()
                path = folder / 'in' / original.name
                path.write_text(json.dumps(changed))
                return command(path, folder)

            yield Fault(f'values in {reader}', where, inject)


def _change(data: Any, rng: random.Random) -> str:
    """Replace a value at a random place, or remove it; return where."""
    path = []
    while True:
        keys = list(data) if isinstance(data, dict) else list(range(len(data)))
        key = rng.choice(keys)
        path.append(str(key))
        child = data[key]
        if not isinstance(child, (dict, list)) or not child or rng.random() < 0.25:
            break
        data = child
    if rng.random() < 0.15:
        del data[key]
        return f'{".".join(path)} removed'
    data[key] = rng.choice(VALUES)
    return f'{".".join(path)} = {data[key]!r:.30}'


PATHS: dict[str, Callable[[Path], Union[str, Path]]] = {
    'a folder': lambda folder: _made(folder / 'there'),
    'below a file': lambda folder: _touched(folder / 'file') / 'x.json',
    'a NUL in it': lambda folder: f'{folder}/a\0b.json',
    'a name of 5,000 characters': lambda folder: folder / ('x' * 5000),
    'a full disk': lambda folder: '/dev/full',
    'a folder of the system': lambda folder: '/proc/x.json',
    'not UTF-8': lambda folder: os.fsdecode(os.fsencode(folder) + b'/\xff\xfe/'),
}
"""Paths that cannot be written, by what is wrong with them."""


def _made(path: Path) -> Path:
    path.mkdir()
    (path / 'mine.txt').touch()
    return path


def _touched(path: Path) -> Path:
    path.touch()
    return path


def _outputs(base: Base) -> Iterator[Fault]:
    ann, found, sweep = str(base.annotations), str(base.detections), str(base.sweep)
    images = str(base.scenes / 'images')
    compare = ['compare', ann, found, str(base.others), '--n-boot', '100']
    writers = {
        'clutter --json': ['clutter', ann, '--json'],
        'clutter --html': ['clutter', ann, '--html'],
        'compare --json': [*compare, '--json'],
        'compare --html': [*compare, '--html'],
        'convert --out': ['convert', 'coco', ann, '--out'],
        'list --json': ['list', '--json'],
        'doctor --json': ['doctor', '--json'],
        'inject --out': ['inject', ann, '--images', images, '--severity', '1', '--out'],
        'scenes --out': ['scenes', '--images', '10', '--out'],
        'power --json': ['power', sweep, '--json'],
    }
    for writer, command in writers.items():
        for name, path in PATHS.items():
            yield Fault(
                f'output of {writer}', name,
                lambda folder, command=command, path=path: [*command, path(folder)],
            )  # fmt: skip


def _images(base: Base) -> Iterator[Fault]:
    picture = next((base.scenes / 'images').rglob('*.png')).read_bytes()
    jpeg = cv2.imencode('.jpg', np.zeros((96, 96, 3), np.uint8))[1].tobytes()
    contents = {f'half of a PNG, {n} bytes': picture[:n] for n in range(0, len(picture), 700)}
    contents |= {f'half of a JPEG, {n} bytes': jpeg[:n] for n in range(0, len(jpeg), 150)}
    rng = random.Random(0)
    for number in range(30):
        spoilt = bytearray(picture if number % 2 else jpeg)
        for _ in range(5):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        contents[f'5 bytes changed, {number}'] = bytes(spoilt)
    lying = bytearray(picture)
    lying[16:24] = (60_000).to_bytes(4, 'big') * 2
    contents['a header that lies about its size'] = bytes(lying)
    contents['another size'] = cv2.imencode('.png', np.zeros((5, 5, 3), np.uint8))[1].tobytes()

    def inject(folder, content=None, spoil=None, command='clutter'):
        shutil.copytree(base.scenes / 'images', folder / 'images')
        name = json.loads(base.annotations.read_text())['images'][0]['file_name']
        path = folder / 'images' / name
        path.unlink()
        if spoil is not None:
            spoil(path, picture)
        else:
            path.write_bytes(content)
        if command == 'clutter':
            return ['clutter', base.annotations, '--images', folder / 'images']
        return ['inject', base.annotations, '--images', folder / 'images', '--severity', '1',
                '--out', folder / 'new']  # fmt: skip

    for command in ('clutter', 'inject'):
        for name, content in contents.items():
            yield Fault(
                f'image of {command}', name, partial(inject, content=content, command=command)
            )
        for name in ('absent', 'a folder', 'a pipe', 'an endless device', 'a link to itself'):
            spoil = SPOILS[name]
            yield Fault(
                f'image of {command}',
                name,
                partial(inject, spoil=spoil, command=command),
                (REFUSED,),
            )


def _spoilt(path: Path, spoil: Spoil, data: bytes) -> None:
    spoil(path, data)


class Attack:
    """Pickles as a call that leaves a file behind."""

    def __reduce__(self) -> tuple:
        return (open, (CANARY, 'w'))


def _checkpoints(base: Base) -> Iterator[Fault]:
    def save(content: Any) -> bytes:
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return buffer.getvalue()

    whole = base.weights.read_bytes()
    weights = torch.load(base.weights, weights_only=True)['state_dict']
    first = next(iter(weights))
    contents = {
        'weights as a list': save({'state_dict': [1]}),
        'weights as text': save({'state_dict': {name: 'x' for name in weights}}),
        'weights as NumPy': save({'state_dict': {n: v.numpy() for n, v in weights.items()}}),
        'weights of another shape': save({'state_dict': {n: v[None] for n, v in weights.items()}}),
        'one weight missing': save(
            {'state_dict': {k: v for k, v in weights.items() if k != first}}
        ),
        'a tensor alone': save(torch.ones(2)),
        'meta data as a list': save({'state_dict': weights, 'meta': [1]}),
        'meta data as text': save({'state_dict': weights, 'meta': 'x'}),
        'classes as a number': save(
            {'state_dict': weights, 'meta': {'dataset_meta': {'classes': 3}}}
        ),
        'a call in the weights': save({'state_dict': Attack()}),
        'a call in the meta data': save({'state_dict': weights, 'meta': Attack()}),
        'a plain pickle with a call': pickle.dumps(Attack(), protocol=2),
        'another pickle protocol': pickle.dumps({'state_dict': {}}, protocol=4),
        'text': b'hello',
        'a checkpoint in base64': base64.b64encode(whole),
    }
    contents |= {
        f'{n} of {len(whole)} bytes': whole[:n] for n in range(0, len(whole), len(whole) // 15)
    }
    commands = {
        'test': lambda path: ['test', BASELINE, path],
        'train --resume': lambda path: ['train', BASELINE, '--resume', path],
        'train load_from': lambda path: ['train', BASELINE, '--cfg-options', f'load_from={path}'],
    }
    data = ['--cfg-options', f'data_root={base.scenes}']
    for command, argv in commands.items():

        def inject(folder, argv=argv, write=None):
            path = folder / 'a.pth'
            write(path)
            return [*argv(path), *data, '--work-dir', folder / 'work']

        for name, content in contents.items():
            write = partial(Path.write_bytes, data=content)
            if command == 'train load_from' and name == 'one weight missing':
                continue  # a start may lack some
            if ('meta' in name and command != 'train --resume') or 'classes' in name:
                continue  # these commands do not read them
            yield Fault(f'checkpoint of {command}', name, partial(inject, write=write), (REFUSED,))
        for name in ('absent', 'empty', 'random bytes', 'zeros', 'a folder', 'a pipe',
                     'an endless device', 'a link to itself', 'a web page',
                     'a pointer of Git LFS'):  # fmt: skip
            write = partial(_spoilt, spoil=SPOILS[name], data=whole)
            yield Fault(
                f'checkpoint of {command}', name,
                partial(inject, write=write), (REFUSED,),
            )  # fmt: skip


def _formats() -> Iterator[Fault]:
    for name in FORMATS:
        for number in range(12):

            def inject(folder, name=name, number=number):
                (folder / 'set').mkdir()
                source = getattr(test_convert, name)(folder / 'set')
                test_convert.image(folder / 'images' / 'a.jpg')
                files = [p for p in folder.joinpath('set').rglob('*') if p.is_file()]
                rng = random.Random(f'{name} {number}')
                path = rng.choice(files)
                spoilt = bytearray(path.read_bytes())
                for _ in range(1 + number):
                    spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
                path.write_bytes(bytes(spoilt[: rng.randrange(1, len(spoilt) + 1)]))
                images = ['--images', folder / 'images'] if name == 'yolo' else []
                return ['convert', name, source, *images, '--out', folder / 'out.json']

            yield Fault(f'convert {name}', f'{1 + number} bytes changed, and cut', inject)


def _sweep_folders(base: Base) -> Iterator[Fault]:
    files = [
        'sweep.json', 'verdict.json', 'cost.json', 'plain/seed_0/run.json',
        'plain/seed_0/detections.bbox.json', 'plain/seed_0/planned/fingerprint.json',
    ]  # fmt: skip
    names = ('empty', 'half', 'random bytes', 'a folder', 'a pipe', 'null', 'a list of null',
             'an empty object')  # fmt: skip
    for file in files:
        for name in names:

            def inject(folder, file=file, name=name):
                shutil.copytree(base.sweep, folder / 'sweep')
                path = folder / 'sweep' / file
                data = path.read_bytes() if path.is_file() else b'{"a": 1}'
                path.unlink(missing_ok=True)
                path.parent.mkdir(parents=True, exist_ok=True)
                SPOILS[name](path, data)
                return ['sweep', base.plan_file, '--collect', '--work-dir', folder / 'sweep']

            yield Fault(f'{Path(file).name} of a sweep', name, inject)


class _TooLong(BaseException):
    """Ends a command at the limit; no handler of exceptions stops it."""


def run(fault: Fault) -> Outcome:
    """Inject a fault, and return what came of it."""

    def stop(*_: Any) -> None:
        raise _TooLong

    out, err = io.StringIO(), io.StringIO()
    before, kind = os.getcwd(), ''
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / 'cwd').mkdir()
        argv = [str(argument) for argument in fault.inject(folder)]
        os.chdir(folder / 'cwd')
        signal.signal(signal.SIGALRM, stop)
        signal.alarm(3 * LIMIT)
        start, code = time.perf_counter(), -1
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(out):
                warnings.simplefilter('ignore')
                with contextlib.redirect_stderr(err):
                    code = main(argv)
        except _TooLong:
            kind = HANG
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            kind, _ = TRACEBACK, err.write(traceback.format_exc())
        finally:
            signal.alarm(0)
            os.chdir(before)
        seconds = time.perf_counter() - start
        if seconds > LIMIT and not kind:
            kind = HANG
        if list(folder.rglob(CANARY)):
            kind = EXECUTED
    lines = [line for line in err.getvalue().splitlines() if line.startswith('spatialattn')]
    if not kind:
        kind = READ if code == 0 else REFUSED if code == 2 and len(lines) == 1 else OTHER
    if kind in (READ, REFUSED) and kind not in fault.promise:
        kind = OTHER
    return Outcome(kind, seconds, err.getvalue()[-600:] or out.getvalue()[-300:])


def report(outcomes: dict[Fault, Outcome]) -> str:
    """Return the outcomes as Markdown, a row per category."""
    kinds = (REFUSED, READ, TRACEBACK, HANG, EXECUTED, OTHER)
    counts: dict[str, Counter] = {}
    for fault, outcome in outcomes.items():
        counts.setdefault(fault.category, Counter())[outcome.kind] += 1
    total: Counter = sum(counts.values(), Counter())
    rows = [*counts.items(), ('all', total)]
    slowest = max(outcome.seconds for outcome in outcomes.values())
    lines = [
        '# Reliability',
        '',
        'What comes of broken and hostile input. Every fault is injected into a command, which '
        'must read it, or refuse it in one line with exit code 2, within ten seconds; nothing that '
        'a file says is executed. "Other" is any other ending, such as an accepted file that must '
        'be refused. The faults are those of `tools/dev/faults.py`, which '
        'wrote this table:',
        '',
        '    python tools/dev/faults.py --write docs/reliability.md',
        '',
        f'{len(outcomes)} faults; the slowest took {slowest:.1f} s.',
        '',
        f'| what is attacked | faults | {" | ".join(kinds)} |',
        f'|---|---{"|---" * len(kinds)}|',
    ]
    for category, count in rows:
        cells = ' | '.join(str(count[kind]) for kind in kinds)
        lines.append(f'| {category} | {sum(count.values())} | {cells} |')
    return '\n'.join(lines) + '\n'


def command_line() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', default='', help='categories with this text in their name')
    parser.add_argument('--every', type=int, default=1, help='one fault of so many')
    parser.add_argument('--write', metavar='FILE', help='write the table to FILE')
    args = parser.parse_args()
    outcomes: dict[Fault, Outcome] = {}
    for number, fault in enumerate(everything()):
        if args.only in fault.category and number % args.every == 0:
            outcomes[fault] = outcome = run(fault)
            if outcome.kind not in (READ, REFUSED):
                print(
                    f'{outcome.kind}: {fault.category}: {fault.name}\n{outcome.text}\n', flush=True
                )
    table = report(outcomes)
    if args.write:
        Path(args.write).write_text(table)
    print(table)
    return int(any(outcome.kind not in (READ, REFUSED) for outcome in outcomes.values()))


if __name__ == '__main__':
    sys.exit(command_line())

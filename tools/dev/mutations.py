"""Break every attention module in three ways, and check that its tests notice.

    python tools/dev/mutations.py                  all modules
    python tools/dev/mutations.py CBAM SE          some

Each mutant is one change of the source, which keeps shapes where it can: a wrong axis, a mean for a
maximum, a dropped sigmoid, or what comes nearest in a module that has none of these. The tests of
the module's numbers, those named after no sweep that name the module, run against a temporary copy
with the change. Prints a table; the exit code is 1 when a mutant survives.
"""

import argparse
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parents[2]
SWEEPS = (
    'test_benchmark',
    'test_catalogue',
    'test_contract',
    'test_initialisation',
    'test_reference',
)

BATCH_MEAN = 'x.mean((0, 2, 3), keepdim=True).expand(len(x), -1, -1, -1)'
MEAN, MAX = 'x.mean((2, 3), keepdim=True)', 'x.amax((2, 3), keepdim=True)'
OVER_BATCH = ('mean over the batch too', MEAN, BATCH_MEAN)
MAX_FOR_MEAN = ('maximum for mean', MEAN, MAX)
NO_SIGMOID = ('no sigmoid', '.sigmoid()', '')

MUTANTS: dict[str, list[tuple[str, str, str]]] = {
    'AreaAttention': [
        ('queries and keys swapped', 'attention(q, k, v', 'attention(k, q, v'),
        ('the padding is seen', 'value=smallest', 'value=0.0'),
        ('positions of the keys', 'qkv.chunk(3, dim=1)[2]', 'qkv.chunk(3, dim=1)[1]'),
    ],
    'AttentionGate': [
        ('product for sum', 'theta + phi', 'theta * phi'),
        ('no ReLU', '(theta + phi).relu()', '(theta + phi)'),
        NO_SIGMOID,
    ],
    'BAM': [
        OVER_BATCH,
        MAX_FOR_MEAN,
        NO_SIGMOID,
        ('sum for product', 'channel * spatial if', 'channel + spatial if'),
    ],
    'CAA': [
        ('maximum for mean', 'F.avg_pool2d(', 'F.max_pool2d('),
        ('columns before rows', 'self.v_conv(self.h_conv(', 'self.h_conv(self.v_conv('),
        NO_SIGMOID,
    ],
    'CBAM': [
        ('halves swapped', 'self.spatial(self.channel(x))', 'self.channel(self.spatial(x))'),
        ('no spatial half', 'self.spatial(self.channel(x))', 'self.channel(x)'),
        ('no channel half', 'self.spatial(self.channel(x))', 'self.spatial(x)'),
    ],
    'CBAMChannelGate': [
        ('mean over the batch too', 'x.mean((2, 3))', 'x.mean((0, 2, 3)).expand(len(x), -1)'),
        ('mean for maximum', 'x.amax((2, 3))', 'x.mean((2, 3))'),
        ('no sigmoid', '.sigmoid()[...', '[...'),
    ],
    'CBAMSpatialGate': [
        (
            'maximum and mean swapped',
            '[x.amax(1, keepdim=True), x.mean(1, keepdim=True)]',
            '[x.mean(1, keepdim=True), x.amax(1, keepdim=True)]',
        ),
        ('mean for maximum', 'x.amax(1, keepdim=True)', 'x.mean(1, keepdim=True)'),
        ('no sigmoid', 'self.norm(self.conv(stats)).sigmoid()', 'self.norm(self.conv(stats))'),
    ],
    'CPCA': [
        ('no channel gate', 'x = self.channel(x)', 'x = x'),
        ('strips without the window', 'in self.strips), local)', 'in self.strips))'),
        ('a sigmoid too many', 'x * weights', 'x * weights.sigmoid()'),
    ],
    'CapacityControl': [
        ('no ReLU', '.relu_()', ''),
        ('no residual', 'x + F.conv2d', 'F.conv2d'),
        ('twice the parameters', 'count / (2 * in_channels)', 'count / in_channels'),
    ],
    'CoordAttention': [
        ('weights of the other axis', 'self.conv_h(of_height)', 'self.conv_w(of_height)'),
        ('maximum for mean', 'x.mean(3, keepdim=True)', 'x.amax(3, keepdim=True)'),
        ('no sigmoid', 'self.conv_h(of_height).sigmoid()', 'self.conv_h(of_height)'),
    ],
    'CrissCross': [
        ('softmax over another axis', 'scores.softmax(3)', 'scores.softmax(1)'),
        ('itself twice', 'of_column.masked_fill(itself, -torch.inf)', 'of_column'),
        ('one pass', 'range(self.recurrence)', 'range(1)'),
    ],
    'DoubleAttention': [
        ('gathers over descriptors', 'flatten(2).softmax(2)', 'flatten(2).softmax(1)'),
        ('distributes over positions', 'flatten(2).softmax(1)', 'flatten(2).softmax(2)'),
        ('no residual', 'return x + mixed', 'return mixed'),
    ],
    'DualAttention': [
        (
            'the input twice',
            'x + self.position.update(x) + self.channel.update(x)',
            'self.position(x) + self.channel(x)',
        ),
        (
            'one after the other',
            'x + self.position.update(x) + self.channel.update(x)',
            'self.channel(self.position(x))',
        ),
        ('no channel half', ' + self.channel.update(x)', ''),
    ],
    'DualChannelAttention': [
        ('energies not reversed', '.neg()', ''),
        ('softmax over another axis', '.neg().softmax(2)', '.neg().softmax(1)'),
        ('no gamma', 'self.gamma * (weights', '(weights'),
    ],
    'DualPositionAttention': [
        ('queries and keys swapped', 'attention(query, key, value', 'attention(key, query, value'),
        ('scores scaled', 'scale=1.0', 'scale=None'),
        ('no gamma', 'self.gamma * mixed', 'mixed'),
    ],
    'ECA': [
        ('mean over the batch too', 'x.mean((2, 3))', 'x.mean((0, 2, 3)).expand(len(x), -1)'),
        ('maximum for mean', 'x.mean((2, 3))', 'x.amax((2, 3))'),
        NO_SIGMOID,
    ],
    'ELA': [
        (
            'mean over channels too',
            'x.mean(3, keepdim=True)',
            'x.mean((1, 3), keepdim=True).expand(-1, x.shape[1], -1, -1)',
        ),
        ('maximum for mean', 'x.mean(3, keepdim=True)', 'x.amax(3, keepdim=True)'),
        NO_SIGMOID,
    ],
    'EMA': [
        ('softmax over groups', '.softmax(1)', '.softmax(0)'),
        ('maximum for mean', 'of.mean((2, 3))', 'of.amax((2, 3))'),
        ('no sigmoid', 'score.sigmoid()', 'score'),
    ],
    'EffectiveSE': [
        OVER_BATCH,
        MAX_FOR_MEAN,
        ('soft sigmoid for hard', 'F.hardsigmoid(', 'F.sigmoid('),
    ],
    'FCA': [
        ('columns for rows', 'rows = self.rows', 'rows = self.columns'),
        ('scale of the constant', '(1 + (u > 0).float())', '(1 + 0 * u)'),
        NO_SIGMOID,
    ],
    'GAM': [
        ('a sigmoid too many', 'x = x * channel', 'x = x * channel.sigmoid()'),
        (
            'no ReLU',
            'nn.Conv2d(in_channels, hidden, 1),\n            nn.ReLU(inplace=True)',
            'nn.Conv2d(in_channels, hidden, 1),\n            nn.Identity()',
        ),
        NO_SIGMOID,
    ],
    'GCT': [
        ('mean over the batch', '.mean(1, keepdim=True)', '.mean(0, keepdim=True)'),
        ('maximum for mean', '.mean(1, keepdim=True)', '.amax(1, keepdim=True)'),
        ('no tanh', '.tanh()', ''),
    ],
    'GatherExcite': [
        OVER_BATCH,
        MAX_FOR_MEAN,
        NO_SIGMOID,
        (
            'maximum for mean of a window',
            'F.avg_pool2d(x, 2 * e - 1, e, e - 1, count_include_pad=False)',
            'F.max_pool2d(x, 2 * e - 1, e, e - 1)',
        ),
    ],
    'GeneralizedAttention': [
        ('softmax over queries', 'softmax(4)', 'softmax(3)'),
        ('sines and cosines swapped', '[phase.sin(), phase.cos()]', '[phase.cos(), phase.sin()]'),
        ('rows and columns swapped', 'rows, columns = self', 'columns, rows = self'),
    ],
    'GlobalContext': [
        ('mean for attended mean', 'ratio, pooling_type, fusions', "ratio, 'avg', fusions"),
        ('a second residual', 'return self.block(x)', 'return x + self.block(x)'),
        ('map not scaled', ' * (height * width)', ''),
    ],
    'LKA': [
        ('no GELU', 'F.gelu(self.proj_1(x))', 'self.proj_1(x)'),
        ('sum for product', 'u * gate', 'u + gate'),
        ('no small window', 'self.conv_spatial(self.conv0(u))', 'self.conv_spatial(u)'),
    ],
    'LSK': [
        ('choices swapped', 'choose_near, choose_far = ', 'choose_far, choose_near = '),
        ('mean for maximum', 'both.amax(1, keepdim=True)', 'both.mean(1, keepdim=True)'),
        NO_SIGMOID,
    ],
    'LSKA': [
        ('columns before rows', 'self.conv0v(self.conv0h(u))', 'self.conv0h(self.conv0v(u))'),
        ('rows not dilated', '(1, far), dilation', '(1, far), 1'),
        ('channels not mixed', 'return self.conv1(', 'return ('),
    ],
    'LearnToPayAttention': [
        ('softmax within rows', 'score.flatten(1).softmax(1).view_as(score)', 'score.softmax(3)'),
        ('no guide', ' + resize_guide(of_guide, x.shape[2:])', ''),
        ('softmax not scaled', ' * (x.shape[2] * x.shape[3])', ''),
        ('sigmoid not scaled', '2 * score.sigmoid()', 'score.sigmoid()'),
    ],
    'MLCA': [
        ('window over the cells', 'grid.transpose(1, 2).reshape', 'grid.reshape'),
        ('maximum for mean', 'grid.mean(2)', 'grid.amax(2)'),
        ('no sigmoid', 'cells * c)).sigmoid()', 'cells * c))'),
    ],
    'NAM': [
        ('maximum for sum', 'scales.sum()', 'scales.amax()'),
        ('signed weights', '.abs()', ''),
        NO_SIGMOID,
    ],
    'NonLocal': [
        ('scores not scaled', 'use_scale=use_scale', 'use_scale=False'),
        ('attention given for received', 'weights.sum(1)', 'weights.sum(2)'),
        ('a second residual', 'return self.block(x)', 'return x + self.block(x)'),
    ],
    'PolarizedSelfAttention': [
        ('softmax over channels', '@ self.spatial_value(x).flatten(2).softmax(2)',
         '@ self.spatial_value(x).flatten(2).softmax(1)'),
        ('maximum for mean', 'x.mean((2, 3))', 'x.amax((2, 3))'),
        ('no sigmoid', '.sigmoid()[...', '[...'),
        ('softmax over the batch', 'self.channel_query(x).flatten(2).softmax(2)',
         'self.channel_query(x).flatten(2).softmax(0)'),
    ],
    'SCSA': [
        ('softmax over queries', '.softmax(3)', '.softmax(2)'),
        ('maximum for mean', 'x.mean(3, keepdim=True)', 'x.amax(3, keepdim=True)'),
        ('no sigmoid', 'unsqueeze(3).sigmoid()', 'unsqueeze(3)'),
    ],
    'SCSE': [
        OVER_BATCH,
        ('minimum for maximum', 'torch.maximum(', 'torch.minimum('),
        ('no sigmoid', 'self.spatial(x).sigmoid()', 'self.spatial(x)'),
    ],
    'SE': [OVER_BATCH, MAX_FOR_MEAN, NO_SIGMOID],
    'SGE': [
        ('mean over groups', 'likeness.mean(3, keepdim=True)', 'likeness.mean(1, keepdim=True)'),
        ('maximum for mean', 'grouped.mean(3)', 'grouped.amax(3)'),
        NO_SIGMOID,
    ],
    'SelfAttention2d': [
        ('queries and keys swapped', 'attention(q, k, v', 'attention(k, q, v'),
        ('the padding is seen', 'attn_mask=mask', 'attn_mask=None'),
        ('no residual', 'return x + _join', 'return _join'),
    ],
    'ShuffleAttention': [
        ('mean over channels too', 'first.mean((3, 4)', 'first.mean((2, 3, 4)'),
        ('maximum for mean', 'first.mean(', 'first.amax('),
        ('no sigmoid', 'normed).sigmoid()', 'normed)'),
        ('the inverse shuffle', 'y.unflatten(1, (2, -1))', 'y.unflatten(1, (-1, 2))'),
    ],
    'SimAM': [
        ('mean over channels', '(x - x.mean((2, 3), keepdim', '(x - x.mean(1, keepdim'),
        ('maximum for mean', 'deviation.mean((2, 3)', 'deviation.amax((2, 3)'),
        NO_SIGMOID,
    ],
    'SpatialGate': [
        (
            'mean over the batch too',
            'x.mean(1, keepdim=True) if',
            'x.mean((0, 1), keepdim=True).expand(len(x), -1, -1, -1) if',
        ),
        ('maximum for mean', 'x.mean(1, keepdim=True) if', 'x.amax(1, keepdim=True) if'),
        NO_SIGMOID,
    ],
    'StripPooling': [
        (
            'mean over channels too',
            'x.mean(3, keepdim=True)',
            'x.mean((1, 3), keepdim=True).expand(-1, x.shape[1], -1, -1)',
        ),
        ('maximum for mean', 'x.mean(3, keepdim=True)', 'x.amax(3, keepdim=True)'),
        NO_SIGMOID,
    ],
    'TripletAttention': [
        (
            'a plane turned over',
            'self.hc(_pool(x, 3).transpose(2, 3)).transpose(1, 3)',
            'self.hc(_pool(x, 3)).permute(0, 2, 3, 1)',
        ),
        ('mean for maximum', '[x.amax(dim), x.mean(dim)]', '[x.mean(dim), x.mean(dim)]'),
        ('no sigmoid', 'nn.Sigmoid()', 'nn.Identity()'),
    ],
}  # fmt: skip
"""By module: what is broken, and the change of source, which must occur once in the file."""


def sources() -> dict[str, Path]:
    """Return the file of each registered class, relative to the repository."""
    by_name = {}
    for path in sorted((ROOT / 'mmdet_spatialattn/attention').glob('*.py')):
        pattern = r'^@MODELS\.register_module\(\)\nclass (\w+)'
        for name in re.findall(pattern, path.read_text(encoding='utf-8'), re.MULTILINE):
            by_name[name] = path.relative_to(ROOT)
    return by_name


def tests_of(name: str) -> list[str]:
    """Return the test files that name a module, sweeps over all modules aside."""
    files = sorted((ROOT / 'tests/attention').glob('test_*.py'))
    return [
        str(path.relative_to(ROOT))
        for path in files
        if path.stem not in SWEEPS and re.search(rf'\b{name}\b', path.read_text(encoding='utf-8'))
    ]


def mutated(name: str, source: Path, old: str, new: str) -> str:
    text = (ROOT / source).read_text(encoding='utf-8')
    if text.count(old) != 1:
        raise SystemExit(f'{source}: {old!r} occurs {text.count(old)} times; adapt {name} above')
    return text.replace(old, new)


def first_failure(folder: Path, tests: list[str]) -> Optional[str]:
    """Run tests in a child process on the copy in ``folder``; return the first that fails."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context('fork').Process(target=_run, args=(folder, tests, sender))
    child.start()
    sender.close()
    child.join(timeout=120)
    if child.is_alive():
        child.kill()
        return 'does not end'
    try:
        return receiver.recv()
    except EOFError:
        return f'exit code {child.exitcode}'


def _run(folder: Path, tests: list[str], sender: Connection) -> None:
    import pytest

    class Recorder:
        failed: Optional[str] = None

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed and self.failed is None:
                self.failed = report.nodeid.rpartition('::')[2]

    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.stdout = sys.stderr = open(os.devnull, 'w')  # noqa: SIM115 (the process ends with it)
    recorder = Recorder()
    code = pytest.main(['-x', '-q', '-p', 'no:cacheprovider', *tests], plugins=[recorder])
    sender.send(recorder.failed or (None if code == 0 else f'pytest ends with {int(code)}'))


def main(argv: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', help='modules (all)')
    args = parser.parse_args(argv)
    files = sources()
    names = args.names or sorted(files)
    for name in names:
        if name not in MUTANTS or len(MUTANTS[name]) < 3 or not tests_of(name):
            raise SystemExit(f'{name}: needs three mutants above, and tests of its numbers')
        for _, old, new in MUTANTS[name]:
            mutated(name, files[name], old, new)  # a change that no longer fits is told at once
    # What all children need, imported once.
    import pytest  # noqa: F401
    import torch

    torch.set_num_threads(1)
    survivors = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for part in ('mmdet_spatialattn', 'tests', 'pyproject.toml'):
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
        print('| module | broken | caught by |\n|---|---|---|', flush=True)
        for name in names:
            tests = tests_of(name)
            failure = first_failure(folder, tests)
            if failure is not None:
                raise SystemExit(f'{name}: {failure} fails without any change')
            for what, old, new in MUTANTS[name]:
                path = folder / files[name]
                path.write_text(mutated(name, files[name], old, new), encoding='utf-8')
                failure = first_failure(folder, tests)
                shutil.copy(ROOT / files[name], path)
                survivors += failure is None
                print(f'| {name} | {what} | {failure or "**nothing**"} |', flush=True)
    print(f'\n{survivors} survive', file=sys.stderr)
    return 1 if survivors else 0


if __name__ == '__main__':
    sys.exit(main())

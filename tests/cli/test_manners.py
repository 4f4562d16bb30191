"""What all commands share: help that fits the terminal, versions, colours, completion, the end."""

import importlib
import shutil
import subprocess
import sys

import pytest

from mmdet_spatialattn import __version__
from mmdet_spatialattn.cli import commands, main, summaries
from mmdet_spatialattn.cli._command import parser_of, print_page, show
from tests.processes import run

VERDICT = 'cbam helps in clutter; eca hurts; se is equivalent'


@pytest.mark.parametrize('name', commands())
def test_the_help_fits_80_columns_and_keeps_its_words(name, monkeypatch, capsys):
    monkeypatch.setenv('COLUMNS', '80')
    with pytest.raises(SystemExit):
        main(['help', name])
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if len(line) > 80] == []
    doc = importlib.import_module(f'mmdet_spatialattn.cli.{name}').__doc__
    words = [word for word in doc.split() if word != '\\']
    assert ' '.join(words) in ' '.join(word for word in out.split() if word != '\\')


def test_a_command_of_the_help_that_is_wrapped_is_still_a_command(monkeypatch, capsys):
    monkeypatch.setenv('COLUMNS', '60')
    with pytest.raises(SystemExit):
        main(['inject', '--help'])
    lines = capsys.readouterr().out.splitlines()
    first = lines.index('    spatialattn inject annotations/val.json --images \\')
    assert lines[first + 1].startswith('        images ') and lines[first + 1].endswith(' \\')


def test_the_overview_fits_80_columns_and_names_every_command(monkeypatch, capsys):
    monkeypatch.setenv('COLUMNS', '80')
    assert main(['help']) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert all(f'\n  {name} ' in out for name in commands())
    assert set(summaries()) == set(commands()) and all(summaries().values())


@pytest.mark.parametrize('flag', ['-V', '--version'])
def test_the_version(flag, capsys):
    assert main([flag]) == 0
    assert capsys.readouterr().out == f'{__version__}\n'


def test_help_of_an_unknown_command_names_the_nearest(capsys):
    assert main(['help', 'swep']) == 2
    assert "unknown command 'swep'; did you mean 'sweep'?" in capsys.readouterr().err


LIGHT = """
import sys
from mmdet_spatialattn.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
loaded = {name.partition('.')[0] for name in sys.modules}
print(loaded & {'torch', 'mmengine', 'mmcv', 'mmdet', 'numba', 'numpy', 'plotly'}, file=sys.stderr)
"""


@pytest.mark.parametrize('argv', [['list'], ['list', 'CBAM'], *([n, '--help'] for n in commands())])
def test_lists_and_helps_import_nothing_heavy(argv, tmp_path):
    done = run('-c', LIGHT, *argv, cwd=tmp_path)
    assert (done.code, done.err) == (0, 'set()\n')
    assert done.out


def test_verdicts_have_colours_in_a_terminal_only(monkeypatch, capsys):
    show(VERDICT)
    assert capsys.readouterr().out == f'{VERDICT}\n'
    monkeypatch.setattr(sys.stdout, 'isatty', lambda: True, raising=False)
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.delenv('NO_COLOR', raising=False)
    show(VERDICT)
    assert capsys.readouterr().out == (
        'cbam \x1b[32mhelps\x1b[0m in clutter; eca \x1b[31mhurts\x1b[0m; '
        'se is \x1b[36mequivalent\x1b[0m\n'
    )
    monkeypatch.setenv('NO_COLOR', '1')
    show(VERDICT)
    assert capsys.readouterr().out == f'{VERDICT}\n'


def test_the_page_to_open_is_an_address(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    print_page('my page.html')
    assert capsys.readouterr().out == f'\nOpen: {tmp_path.as_uri()}/my%20page.html\n'


def test_a_parser_is_had_without_running_its_command():
    flags = parser_of(
        importlib.import_module('mmdet_spatialattn.cli.list').main
    )._option_string_actions
    assert {'--family', '--json', '--help'} <= set(flags)


def test_completion_of_bash_completes_commands_and_options(tmp_path):
    pytest.importorskip('shtab')
    if shutil.which('bash') is None:
        pytest.skip('needs bash')
    done = run('-m', 'mmdet_spatialattn.cli', '--print-completion', 'bash', cwd=tmp_path)
    assert done.code == 0, done.err
    lines = (
        'COMP_WORDS=(spatialattn {word}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); '
        '_shtab_spatialattn; echo "${{COMPREPLY[@]}}"'
    )
    script = done.out + '\n'.join(lines.format(word=word) for word in ('sw', 'list --fa'))
    completed = subprocess.run(['bash', '-c', script], capture_output=True, text=True, timeout=60)
    assert completed.stdout.split() == ['sweep', '--family'], completed.stderr


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['bahs'], "expected bash or zsh, got 'bahs'; did you mean 'bash'?"),
        ([], "expected bash or zsh, got ''"),
        (['zsh'], "this needs shtab: pip install 'mmdet_spatialattn[completion]'"),
    ],
)
def test_completion_that_cannot_be_is_one_line(argv, message, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'shtab', None)
    assert main(['--print-completion', *argv]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count('\n') == 1


def test_warnings_of_mmengine_about_itself_are_dropped():
    import logging

    from mmdet_spatialattn.compat.quiet import is_useful

    def record(message: str) -> logging.LogRecord:
        return logging.LogRecord('x', logging.WARNING, '', 0, message, None, None)

    assert not is_useful(record('"FileClient" will be deprecated in future. Please use io ...'))
    assert is_useful(record('the learning rate is 0'))

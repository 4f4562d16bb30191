"""Results name the state of the code that they come from."""

import subprocess

from mmdet_spatialattn.experiments import environment


def test_the_commit_is_dirty_when_the_package_differs_and_not_when_a_result_does(
    tmp_path, monkeypatch
):
    package = tmp_path / 'package'
    package.mkdir()
    (package / 'code.py').write_text('a = 1')
    (tmp_path / 'results.yml').write_text('AP: 1')
    monkeypatch.setattr(environment, 'ROOT', tmp_path)
    monkeypatch.setattr(environment, 'PACKAGE', package)
    assert environment.environment().commit is None

    def git(*command):
        me = ['-c', 'user.name=me', '-c', 'user.email=me@example.org']
        done = subprocess.run(
            ['git', '-C', tmp_path, *me, *command], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    git('init')
    git('add', '.')
    git('commit', '-m', 'one')
    head = git('rev-parse', '--short=12', 'HEAD')
    (tmp_path / 'results.yml').write_text('AP: 2')
    assert environment.environment().commit == head
    (package / 'code.py').write_text('a = 2')
    assert environment.environment().commit == f'{head}-dirty'

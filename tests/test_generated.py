"""The generated tables of the documents are current."""

import runpy


def test_generated_tables_have_not_drifted(repository):
    tool = runpy.run_path(str(repository / 'tools/dev/generated.py'))
    assert tool['main'](['--check']) == 0


def test_the_figure_of_results_is_current(repository):
    path = repository / 'tools/dev/results_figure.py'
    assert runpy.run_path(str(path))['main'](['--check']) == 0

"""The generated tables of the documents are current."""

import runpy


def test_generated_tables_have_not_drifted(repository):
    tool = runpy.run_path(str(repository / 'tools/dev/generated.py'))
    assert tool['main'](['--check']) == 0

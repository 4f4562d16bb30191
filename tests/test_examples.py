"""The stored outputs of the notebooks; that they run is tested by nbmake (``examples/``)."""

import pytest

from mmdet_spatialattn.io import read_json

NOTEBOOKS = ('mmdetection_config', 'torchvision_model', 'two_result_files')


def test_every_notebook_is_here(repository):
    names = sorted(path.stem for path in (repository / 'examples').glob('*.ipynb'))
    assert names == sorted(NOTEBOOKS)


@pytest.mark.parametrize('name', NOTEBOOKS)
def test_its_outputs_are_stored_and_show_a_result_as_a_table(name, repository):
    notebook = read_json(repository / f'examples/{name}.ipynb')
    outputs = [out for cell in notebook['cells'] for out in cell.get('outputs', ())]
    assert all(out['output_type'] != 'error' and out.get('name') != 'stderr' for out in outputs)
    shown = [''.join(out['data'].get('text/html', '')) for out in outputs if 'data' in out]
    assert any(html.startswith('<table>') for html in shown)

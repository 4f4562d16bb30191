"""Installation: ``pip install -e .[lite] -c constraints.txt`` from a clone."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
VERSION = re.search(
    r"__version__ = '(.+)'", (ROOT / 'mmdet_spatialattn/version.py').read_text()
).group(1)

# Only the extra names a host: one that is installed (compiled mmcv, a fork of mmdet) is kept.
HOST = ['mmdet>=3.3,<3.4', 'mmengine>=0.10.3,<0.11', 'mmcv-lite>=2.0.0rc4,<2.2']
DEMO = ['pillow', 'scikit-learn']  # the digits, and pictures of them
REPORT = ['jinja2', 'pandas', 'plotly']  # pages, plots and data frames
SLURM, RAY = ['submitit'], ['ray']  # sweeps on clusters
COMPLETION = ['shtab']  # completion of commands by the shell
DOCS = ['latex2mathml', 'mkdocs-material', 'mkdocstrings[python]']
TEST = [
    *COMPLETION,
    *DOCS,
    *SLURM,
    'hypothesis',
    'import-linter',
    'ipykernel',
    'mypy',
    'nbmake',
    'onnx',
    'onnxruntime',
    'onnxscript',
    'playwright',
    'pytest',
    'pytest-timeout',
    'pytest-xdist',
    'ruff',
    'tidecv',
    'timm',
]


class BuildWithConfigs(build_py):
    """Builds the package with configs and tools in ``.mim``, as MMDetection's packages do."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return  # a clone has them beside the package
        target = Path(self.build_lib, 'mmdet_spatialattn', '.mim')
        shutil.rmtree(target, ignore_errors=True)  # of an earlier build
        unneeded = shutil.ignore_patterns('__pycache__', 'benchmarks', 'dev')
        for folder in ('configs', 'tools'):
            shutil.copytree(ROOT / folder, target / folder, ignore=unneeded)


setup(
    name='mmdet_spatialattn',
    version=VERSION,
    description='Attention for object detection in cluttered scenes: a plugin for MMDetection 3',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['mmdet_spatialattn', 'mmdet_spatialattn.*']),
    package_data={
        'mmdet_spatialattn': [
            '*/*.json',
            'py.typed',
            'report/templates/*',
            'report/templates/sections/*',
        ]
    },
    python_requires='>=3.9',
    install_requires=[
        'cattrs>=23.1',  # results from and to JSON
        'numba>=0.57',  # the loops of the evaluation
        'numpy',
        'pycocotools',
        'rich',
        'scipy',
        'setuptools<81',  # mmengine reads pkg_resources
        'torch>=2.1',
        'torchvision>=0.16',
    ],
    extras_require={
        'completion': COMPLETION,
        'demo': DEMO,
        'docs': DOCS,
        'lite': [*HOST, *DEMO, *REPORT],  # all that the commands need
        'ray': RAY,
        'report': REPORT,
        'slurm': SLURM,
        'test': TEST,
    },
    cmdclass={'build_py': BuildWithConfigs},
    entry_points={'console_scripts': ['spatialattn=mmdet_spatialattn.cli:main']},
)

"""Installation: ``pip install -e .[lite] -c constraints.txt`` from a clone."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r"__version__ = '(.+)'", (ROOT / 'mmdet_spatialattn/version.py').read_text()
).group(1)

# Only the extra names a host: one that is installed (compiled mmcv, a fork of mmdet) is kept.
LITE = ['mmdet>=3.3,<3.4', 'mmengine>=0.10.3,<0.11', 'mmcv-lite>=2.0.0rc4,<2.2']
DEMO = ['pillow', 'scikit-learn']  # the digits, and pictures of them
REPORT = ['jinja2', 'pandas', 'plotly']  # pages, plots and data frames
TEST = [
    'hypothesis',
    'import-linter',
    'mypy',
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

setup(
    name='mmdet_spatialattn',
    version=VERSION,
    description='Attention for object detection in cluttered scenes: a plugin for MMDetection 3',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['mmdet_spatialattn', 'mmdet_spatialattn.*']),
    package_data={
        'mmdet_spatialattn': ['py.typed', 'report/templates/*', 'report/templates/sections/*']
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
    extras_require={'demo': DEMO, 'lite': LITE, 'report': REPORT, 'test': TEST},
    entry_points={'console_scripts': ['spatialattn=mmdet_spatialattn.cli:main']},
)

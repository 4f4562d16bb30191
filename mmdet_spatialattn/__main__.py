"""Run a script with this package imported first: ``python -m mmdet_spatialattn SCRIPT [ARGS...]``.

It is for scripts that import MMDetection before they read a config, as its own ``tools/test.py``
does. Without a compiled mmcv that import fails before ``custom_imports`` can take effect.
"""

import os
import runpy
import sys


def main() -> None:
    if len(sys.argv) < 2 or not os.path.isfile(sys.argv[1]):
        given = f', got {sys.argv[1]}' if len(sys.argv) > 1 else ''
        sys.exit(f'usage: python -m mmdet_spatialattn SCRIPT [ARGS...]: expected a file{given}')
    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name='__main__')


if __name__ == '__main__':
    main()

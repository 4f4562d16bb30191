"""The same as ``spatialattn test``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli.test import main

if __name__ == '__main__':
    sys.exit(main())

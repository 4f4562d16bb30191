"""The same as ``spatialattn sweep``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli.sweep import main

if __name__ == '__main__':
    sys.exit(main())

"""The same as ``spatialattn clutter``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli.clutter import main

if __name__ == '__main__':
    sys.exit(main())

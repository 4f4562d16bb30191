"""The same as ``spatialattn list``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli.list import main

if __name__ == '__main__':
    sys.exit(main())

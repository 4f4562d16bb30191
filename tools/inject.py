"""The same as ``spatialattn inject``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli.inject import main

if __name__ == '__main__':
    sys.exit(main())

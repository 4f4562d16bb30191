"""The same as ``spatialattn scenes``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli.scenes import main

if __name__ == '__main__':
    sys.exit(main())

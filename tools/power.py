"""The same as ``spatialattn power``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli.power import main

if __name__ == '__main__':
    sys.exit(main())

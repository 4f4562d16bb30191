"""The same as ``spatialattn demo``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli.demo import main

if __name__ == '__main__':
    sys.exit(main())

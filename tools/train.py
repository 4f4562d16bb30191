"""The same as ``spatialattn train``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli.train import main

if __name__ == '__main__':
    sys.exit(main())

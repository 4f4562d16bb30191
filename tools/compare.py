"""The same as ``spatialattn compare``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli.compare import main

if __name__ == '__main__':
    sys.exit(main())

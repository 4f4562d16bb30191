"""The same as ``spatialattn convert``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli.convert import main

if __name__ == '__main__':
    sys.exit(main())

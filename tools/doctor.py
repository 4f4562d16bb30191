"""The same as ``spatialattn doctor``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli.doctor import main

if __name__ == '__main__':
    sys.exit(main())

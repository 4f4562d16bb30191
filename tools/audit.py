"""The same as ``spatialattn audit``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli.audit import main

if __name__ == '__main__':
    sys.exit(main())

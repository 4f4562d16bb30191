# Images that run the commands, on the CPU or on CUDA.
#
# docker build --target cpu -t spatialattn .
# docker build --target cuda -t spatialattn:cuda .     run with --gpus all
# docker run --rm -v "$PWD:/work" spatialattn doctor
FROM python:3.11-slim AS base
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 libxcb1 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
WORKDIR /work
ENTRYPOINT ["spatialattn"]
CMD ["--help"]

FROM base AS cpu
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
    -c /src/constraints.txt 'torch==2.14.1+cpu' 'torchvision==0.29.1+cpu' '/src[lite]'

# The wheels of torch on PyPI bring the libraries of CUDA; the driver is the host's.
FROM base AS cuda
RUN pip install --no-cache-dir -c /src/constraints.txt '/src[lite]'

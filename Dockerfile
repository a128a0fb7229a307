# Both frameworks on the CPU, and this project: an image for CI jobs that check ports.
#
#     docker build --tag parity .
#     docker build --tag parity --build-arg PIP_ARGS="--index-url ..." .
#     docker run --rm --volume "$PWD:/work" parity check --keras app.py:build --torch port.py:build
FROM python:3.12-slim

# Options of `pip install`. Give the index of torch's CPU builds here: without it, pip installs those
# for CUDA, which are some 4 GB larger (docs/install.md).
ARG PIP_ARGS=""

# The loops of torch_impl are compiled where the wheel is built.
RUN apt-get update -qq \
    && apt-get install -qq -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

COPY . /source
RUN python -m pip install --no-cache-dir $PIP_ARGS "/source[all]" && rm -r /source

# The user's programs are run here, and need no rights.
RUN useradd --create-home parity
USER parity
WORKDIR /work
ENTRYPOINT ["parity"]

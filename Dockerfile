# The container Action. Build it from the repository's root:
#   docker build --build-arg BASE=docker.io/library/python:3.11-slim-bookworm@sha256:… .
# The release workflow looks the digest up and passes it, so that what is published is pinned.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /build
COPY requirements/build.lock requirements/runner.lock requirements/
# Wheels only, but for one package that has none; what builds that one is locked as well. The base's own certificates
# count, so that a build behind a company's proxy works with that one's authority mounted.
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: \
        --requirement requirements/build.lock \
    && /opt/build/bin/uv venv --no-cache --python python3 /opt/tagboat \
    && /opt/build/bin/uv pip install --no-cache --system-certs --compile-bytecode --python /opt/tagboat/bin/python \
        --require-hashes --only-binary :all: --no-binary antlr4-python3-runtime \
        --build-constraints requirements/build.lock --requirements requirements/runner.lock
COPY pyproject.toml hatch_build.py README.md LICENSE CHANGELOG.md ./
COPY entrypoint entrypoint
COPY deployers deployers
COPY templates templates
COPY serving serving
# The wheel holds tagboat-server's wheel, which goes into each model's environment.
RUN /opt/build/bin/pip wheel --no-cache-dir --disable-pip-version-check --no-build-isolation --no-deps \
        --wheel-dir dist . \
    && /opt/build/bin/uv pip install --no-cache --compile-bytecode --python /opt/tagboat/bin/python \
        --no-deps dist/*.whl

FROM ${BASE}
# openssh-client and gpg verify signatures of tags; libgomp1 is what many models' wheels need in their preflight.
# Versions are the base's: Debian deletes older ones, so that a pinned one would stop building within weeks.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git gpg gpg-agent libgomp1 openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    # Model code runs as this user, never as root (deployers/wrapping/isolation.py).
    && useradd --system --no-create-home --shell /usr/sbin/nologin tagboat-model
COPY --from=build /opt/tagboat /opt/tagboat
# Says to the program that this is the container Action, where no process outlives the step.
ENV TAGBOAT_CONTAINER=action \
    LANG=C.UTF-8
LABEL org.opencontainers.image.title="Tagboat" \
      org.opencontainers.image.description="Turns a Git tag into a running model" \
      org.opencontainers.image.licenses="Apache-2.0"
# GitHub starts the container in the checkout, as root, with the runner's own PATH. Hence the whole path, no USER, and
# -I: it implies -P (nothing of the checkout is imported) and leaves PYTHON* variables and the home folder aside, too.
ENTRYPOINT ["/opt/tagboat/bin/python", "-I", "-m", "entrypoint", "action"]

# One image for workers, the dashboard and every other command. Any tool that takes a Dockerfile
# builds it: `make image` with the first of buildah, podman and docker that is there.

# A tag moves, a digest does not: releases give BASE=…@sha256:… (see docs/operations.md).
ARG BASE=docker.io/library/python:3.12-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
# Names of the locks in requirements/. For a card "gpu otel"; the driver is the host's.
ARG REQUIREMENTS="dashboard otel"
RUN python -m venv /opt/stream-app && python -m venv /opt/sbom
# Locked versions, each file checked against its hash, also of what builds the packages.
COPY requirements requirements
RUN /opt/sbom/bin/pip install --no-cache-dir --require-hashes -r requirements/sbom.txt
RUN /opt/stream-app/bin/pip install --no-cache-dir --require-hashes \
        $(printf -- '-r requirements/%s.txt ' ${REQUIREMENTS})
COPY . .
# The wheel's own tools stay here, and pip: what runs needs neither.
RUN python -m venv /opt/wheel \
    && /opt/wheel/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && /opt/wheel/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/stream-app/bin/pip install --no-cache-dir --no-deps dist/*.whl \
    && /opt/stream-app/bin/pip uninstall --yes pip \
    && /opt/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml \
        --output-reproducible --output-file /opt/stream-app/sbom.cdx.json /opt/stream-app

FROM ${BASE}
# Tables live on the volume, owned by the user so that a fresh one is writable. Nothing else is
# written: the root may be read-only, with a tmpfs at /tmp.
RUN useradd --create-home --uid 10001 app \
    && install -d -o app -g app /var/lib/stream-app
COPY --from=build /opt/stream-app /opt/stream-app
ENV PATH=/opt/stream-app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STREAM_APP_DATA_DIR=/var/lib/stream-app
# By number: Kubernetes' runAsNonRoot does not look names up.
USER 10001:10001
WORKDIR /var/lib/stream-app
VOLUME /var/lib/stream-app

ENTRYPOINT ["stream-app"]
CMD ["worker"]

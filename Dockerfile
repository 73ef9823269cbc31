FROM python:3.12-slim

# Tables live here; owned by the user so that a fresh volume is writable.
RUN useradd --create-home --uid 10001 app \
    && install -d -o app -g app /var/lib/stream-app

WORKDIR /src
# `gpu` adds the CUDA libraries; the driver is the host's.
ARG REQUIREMENTS=serving
# Locked versions, each file checked against its hash, also of what builds the packages.
COPY requirements requirements
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && pip install --no-cache-dir --require-hashes --no-build-isolation -r requirements/${REQUIREMENTS}.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

USER app
WORKDIR /home/app
ENV PYTHONUNBUFFERED=1 \
    STREAM_APP_DATA_DIR=/var/lib/stream-app

ENTRYPOINT ["stream-app"]
CMD ["worker"]

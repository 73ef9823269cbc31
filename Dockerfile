FROM python:3.12-slim

# Tables live here; owned by the user so that a fresh volume is writable.
RUN useradd --create-home --uid 10001 app \
    && install -d -o app -g app /var/lib/stream-app

WORKDIR /src
COPY . .
RUN pip install --no-cache-dir .

USER app
WORKDIR /home/app
ENV PYTHONUNBUFFERED=1 \
    STREAM_APP_DATA_DIR=/var/lib/stream-app

ENTRYPOINT ["stream-app"]
CMD ["worker"]

# docker build -t collab .                                   CPU
# docker build -t collab --build-arg TORCH=cu128 .           NVIDIA GPUs; `docker run --gpus all`
# docker run --rm -v "$PWD:/data" --shm-size 1g collab demo  results in ./runs
FROM python:3.11-slim AS collab

# cpu: torch without CUDA, 4 GB less. cu126, cu128, ...: torch for that CUDA, whose libraries come with its wheels.
ARG TORCH=cpu
ARG UV=0.13.9

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 RAY_USAGE_STATS_ENABLED=0
RUN pip install --no-cache-dir "uv==${UV}"

WORKDIR /opt/collab
COPY pyproject.toml README.md ./
COPY collab collab
COPY entities entities
COPY scenarios scenarios
RUN uv pip install --system --no-cache --torch-backend "${TORCH}" . && rm -rf build

# Nobody needs root to play; images and results are mounted at /data.
RUN useradd --uid 1000 --create-home player && mkdir /data && chown player /data
USER 1000
WORKDIR /data
ENTRYPOINT ["collab"]
CMD ["--help"]

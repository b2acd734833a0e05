# Both programs in one image; docker-compose.yml says which one runs.
FROM golang:1.26.9-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /out/ ./cmd/gateway ./cmd/worker

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /data --uid 10001 postern && install -d -o postern /data
COPY --from=build /out/gateway /out/worker /usr/local/bin/
USER postern
ENV POSTERN_DATA=/data POSTERN_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
CMD ["gateway", "serve"]

#!/bin/bash
# The same file by the same client, parallel ranged GETs with libcurl, from nginx and from
# s3files-server with each store; prints MB/s and the ratios. Needs nginx and awscli.
#
#   bench_vs_nginx.sh BIN_DIR [MIB [CONNECTIONS]]
set -euo pipefail

bin=$(realpath "$1")
mib=${2:-1024}
connections=${3:-4}
size=$((mib << 20))
work=$(mktemp -d /dev/shm/s3files-bench.XXXXXX)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY AWS_CA_BUNDLE
export AWS_ACCESS_KEY_ID=s3files AWS_SECRET_ACCESS_KEY=s3files-secret
export AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true

mkdir "$work/www"
head -c "$size" /dev/urandom > "$work/www/file"

cat > "$work/nginx.conf" <<CONF
daemon off;
worker_processes 2;
pid $work/nginx.pid;
error_log $work/error.log;
events { }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  server { listen 127.0.0.1:18080; root $work/www; }
}
CONF
# Its workers are to be able to read the directory.
chmod 755 "$work"
nginx -e "$work/error.log" -c "$work/nginx.conf" &
pids+=($!)

# Prints a presigned URL of the file in a new server with the store.
serve() {
  local store=$1 out="$work/out.$2"
  "$bin/s3files-server" --store "$store" --bucket bench > "$out" &
  pids+=($!)
  until grep -q listening "$out"; do sleep 0.05; done
  local endpoint
  endpoint=$(awk '{print $3}' "$out")
  /usr/bin/aws --endpoint-url "$endpoint" s3 cp --quiet "$work/www/file" s3://bench/file
  url=$(/usr/bin/aws --endpoint-url "$endpoint" s3 presign s3://bench/file)
}

serve memory memory; memory_url=$url
serve "$work/store" directory; directory_url=$url

# In turns, since the machine's speed drifts; the best of each counts.
nginx=0 memory=0 directory=0
best() { echo $(($1 > $2 ? $1 : $2)); }
for _ in 1 2 3; do
  nginx=$(best "$nginx" "$("$bin/raw_get" http://127.0.0.1:18080/file "$size" "$connections")")
  memory=$(best "$memory" "$("$bin/raw_get" "$memory_url" "$size" "$connections")")
  directory=$(best "$directory" "$("$bin/raw_get" "$directory_url" "$size" "$connections")")
done
echo "nginx $nginx MB/s"
awk -v n="$nginx" -v s="$memory" 'BEGIN { printf "memory %d MB/s, ratio %.2f\n", s, s / n }'
awk -v n="$nginx" -v s="$directory" 'BEGIN { printf "directory %d MB/s, ratio %.2f\n", s, s / n }'

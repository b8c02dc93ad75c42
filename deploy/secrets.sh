#!/bin/sh
# Makes the passwords of deploy/compose.yaml where there are none yet, in deploy/secrets/; prints nothing of them.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
new() { head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n'; }
for name in database_password grafana_password; do
  [ -s "secrets/$name" ] || new > "secrets/$name"
done
[ -s secrets/database_url ] ||
  printf 'postgresql://polyscene:%s@database:5432/polyscene' "$(cat secrets/database_password)" > secrets/database_url
[ -e secrets/metrics_key ] || : > secrets/metrics_key
# The containers run as other users than yours: they may read these files, and nobody else may enter the folder.
chmod 700 secrets
chmod 644 secrets/*

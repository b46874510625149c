#!/bin/sh
# Makes infra/.env, which docker compose reads: the password of ZenML's administrator, the key that signs ZenML's tokens and
# the one that encrypts its secrets. What is there already stays as it is, so that it can be run again at any time.
#
#   sh infra/secrets.sh
set -eu
umask 077
file=$(dirname "$0")/.env
touch "$file"
chmod 600 "$file"
for name in ZENML_ADMIN_PASSWORD ZENML_JWT_SECRET_KEY ZENML_ENCRYPTION_KEY; do
    grep -q "^$name=" "$file" && continue
    key=$(openssl rand -hex 32)
    printf '%s=%s\n' "$name" "$key" >>"$file"
    echo "$name: made"
done

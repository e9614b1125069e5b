#!/bin/sh
# Makes the secrets of docker-compose.yml, once; those that are there stay. Needs openssl.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
# Containers run as a user of their own, which must read the files; the folder keeps others on this machine out.
make_secret() {
  if [ ! -s "secrets/$1" ]; then
    printf '%s' "$2" >"secrets/$1"
    chmod 0444 "secrets/$1"
  fi
}
make_secret jwt-secret "$(openssl rand -hex 32)"
make_secret operator-secret "$(openssl rand -hex 32)"
make_secret publisher-token "$(openssl rand -hex 32)"
if [ ! -s secrets/redis-users ] || [ ! -s secrets/redis-url ]; then
  rm -f secrets/redis-users secrets/redis-url
  password=$(openssl rand -hex 32)
  make_secret redis-users "user default on >$password ~* &* +@all
"
  make_secret redis-url "redis://default:$password@redis:6379"
fi
echo "secrets/ has: $(ls secrets | tr '\n' ' ')"

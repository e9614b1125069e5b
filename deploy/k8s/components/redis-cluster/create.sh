#!/bin/sh
# Joins the six nodes to one cluster, once. Nodes that are joined already are left as they are.
set -eu

nodes=""
for n in 0 1 2 3 4 5; do
  host="redis-$n.redis"
  until redis-cli -h "$host" ping >/dev/null 2>&1; do
    echo "waiting for $host"
    sleep 2
  done
  # `--cluster create` takes addresses only.
  nodes="$nodes $(getent hosts "$host" | awk '{print $1}'):6379"
done

if redis-cli -h redis-0.redis cluster info | grep -q '^cluster_state:ok'; then
  echo "the cluster is there already"
  exit 0
fi
# Unquoted: one argument per node.
# shellcheck disable=SC2086
exec redis-cli --cluster create $nodes --cluster-replicas 1 --cluster-yes

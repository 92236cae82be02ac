#!/usr/bin/env bash
# Two network namespaces with a cable between them, to try the path past the kernel without a network card.
#
#   namespaces.sh up [QUEUES]     sensors0 (10.77.0.1) in gallop-sensors, gallop0 (10.77.0.2) in gallop-server
#   namespaces.sh down
#
#   ip netns exec gallop-server gallop serve --config plant.toml      # [sensor] interface = "gallop0"
#   ip netns exec gallop-sensors producer-sim --sensor 10.77.0.2:9000 --unicorns 1000 --rate 100000
#
# Needs root, iproute2 and ethtool.
set -euo pipefail
sender=gallop-sensors receiver=gallop-server
case "${1:-}" in
up)
  queues=${2:-1}
  trap 'ip netns del $sender 2>/dev/null; ip netns del $receiver 2>/dev/null' ERR
  ip netns add $sender
  ip netns add $receiver
  ip link add sensors0 netns $sender numrxqueues "$queues" numtxqueues "$queues" type veth \
    peer name gallop0 netns $receiver numrxqueues "$queues" numtxqueues "$queues"
  ip -n $sender address add 10.77.0.1/24 dev sensors0
  ip -n $receiver address add 10.77.0.2/24 dev gallop0
  ip netns exec $sender ethtool -K sensors0 gro on
  ip netns exec $receiver ethtool -K gallop0 gro on
  for side in "$sender sensors0" "$receiver gallop0"; do
    read -r namespace interface <<<"$side"
    ip -n "$namespace" link set lo up
    ip -n "$namespace" link set "$interface" up
  done
  ;;
down)
  ip netns del $sender
  ip netns del $receiver
  ;;
*)
  sed -n '2,10p' "$0" | cut -c3-
  exit 2
  ;;
esac
